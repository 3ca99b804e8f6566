//! Where every parameter lies in the flat arenas, and how PyTorch lays out the same numbers.
//!
//! Parameters, gradients and Adam's two moments are four arenas with the same offsets (but see `gradients`), first all
//! weights, then all biases. Channels and latents are padded to multiples of 4 with zeros that stay zero: their
//! gradients are zero, and Adam leaves them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::state_dict::StateDict;
use crate::config::ModelConfig;
use crate::gpu::{BufferId, Element, Shape, Tensor};
use crate::ops::reparameterize::padded;

/// Elements to which each tensor's offset is aligned: 256 bytes, WebGPU's alignment of storage offsets.
const ALIGN: u64 = 64;

/// A tensor of the arenas in our layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// first element
    pub offset: u64,
    /// shape
    pub shape: Shape,
}

impl Slot {
    /// The slot in a given arena.
    pub fn of(&self, arena: BufferId) -> Tensor {
        Tensor { buffer: arena, offset: self.offset, shape: self.shape, element: Element::F32 }
    }
}

/// Weight and bias of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// weight
    pub weight: Slot,
    /// bias
    pub bias: Slot,
}

/// How an element's index in PyTorch becomes one in a slot.
#[derive(Debug, Clone, Copy)]
enum Map {
    /// `[low, high, 4, 4]` to `[low, 4, 4, high]`, both convolutions
    Conv { high: u32 },
    /// a vector, as it is
    Vector,
    /// `[Z, C, s, s]` to rows `half * Z..` of `[2 Z, s, s, C]`
    Head { half: u32, channels: u32, area: u32, latent: u32 },
    /// `[Z]` to half of `[2, Z]`
    HeadBias { half: u32, latent: u32 },
    /// `[C, s, s, Z]` to `[s, s, C, Z]`; a bias has `latent` 1
    Input { channels: u32, area: u32, latent: u32, padded_latent: u32 },
}

impl Map {
    fn index(self, i: usize) -> usize {
        let u = |v: u32| v as usize;
        match self {
            Self::Vector => i,
            Self::Conv { high } => {
                let (row, tap) = (i / 16, i % 16);
                (row / u(high) * 16 + tap) * u(padded(high)) + row % u(high)
            }
            Self::Head { half, channels, area, latent } => {
                let (row, column) = (i / u(channels * area), i % u(channels * area));
                let pixel = column % u(area) * u(padded(channels)) + column / u(area);
                (u(half * padded(latent)) + row) * u(padded(channels) * area) + pixel
            }
            Self::HeadBias { half, latent } => u(half * padded(latent)) + i,
            Self::Input { channels, area, latent, padded_latent } => {
                let (row, column) = (i / u(latent), i % u(latent));
                let pixel = row % u(area) * u(padded(channels)) + row / u(area);
                pixel * u(padded_latent) + column
            }
        }
    }
}

/// A parameter under its PyTorch name.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `encoder.0.weight`
    pub name: String,
    /// its shape in PyTorch
    pub shape: Vec<usize>,
    /// where it lies in the arenas
    pub slot: Slot,
    map: Map,
    /// inputs that one output sums, for the initial range
    fan_in: u64,
}

impl Parameter {
    /// Elements in PyTorch.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies PyTorch's elements into the slot's.
    pub fn scatter(&self, values: &[f32], slot: &mut [f32]) {
        values.iter().enumerate().for_each(|(i, value)| slot[self.map.index(i)] = *value);
    }

    /// The elements in PyTorch's order.
    pub fn gather(&self, slot: &[f32]) -> Vec<f32> {
        (0..self.len()).map(|i| slot[self.map.index(i)]).collect()
    }

    /// PyTorch's default for convolutions and linear layers, `kaiming_uniform_(a = sqrt(5))`: uniform within
    /// `1 / sqrt(fan_in)`, weights and biases alike. Each parameter has its own stream of `seed`.
    pub fn initial(&self, seed: u64, stream: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let bound = 1.0 / (self.fan_in as f64).sqrt();
        (0..self.len()).map(|_| ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32).collect()
    }
}

/// The arenas' layout.
#[derive(Debug, Clone)]
pub struct Layout {
    /// the four convolutions of the encoder
    pub encoder: [Layer; 4],
    /// `fc_mu` and `fc_logvar` as one linear layer of 2 Z outputs
    pub heads: Layer,
    /// the linear layer from z
    pub decoder_input: Layer,
    /// the four transposed convolutions of the decoder
    pub decoder: [Layer; 4],
    /// every parameter in PyTorch's order
    pub parameters: Vec<Parameter>,
    /// elements of an arena before the first bias
    pub weights: u64,
    /// elements of an arena
    pub len: u64,
}

struct Allocator {
    len: u64,
}

impl Allocator {
    fn slot(&mut self, shape: Shape) -> Slot {
        let slot = Slot { offset: self.len, shape };
        self.len = (self.len + u64::from(slot.shape.len())).next_multiple_of(ALIGN);
        slot
    }
}

impl Layout {
    /// The layout for a model.
    pub fn new(config: &ModelConfig) -> Self {
        let widths = config.widths();
        let area = config.side() * config.side();
        let [low, latent] = [widths[4], config.latent];
        let (flat, z) = (padded(low) * area, padded(latent));
        let conv =
            |low: u32, high: u32, bias: u32| (Shape::new(&[padded(low), 4, 4, padded(high)]), padded(bias));
        let down = |i: usize| conv(widths[i + 1], widths[i], widths[i + 1]);
        let up = |i: usize| conv(widths[i + 1], widths[i], widths[i]);
        let heads = (Shape::new(&[2 * z, flat]), 2 * z);
        let decoder_input = (Shape::new(&[flat, z]), flat);
        let shapes = [down(0), down(1), down(2), down(3), heads, decoder_input, up(3), up(2), up(1), up(0)];
        let mut arena = Allocator { len: 0 };
        let weights = shapes.map(|(weight, _)| arena.slot(weight));
        let before_biases = arena.len;
        let biases = shapes.map(|(_, bias)| arena.slot(Shape::new(&[bias])));
        let [a, b, c, d, heads, decoder_input, e, f, g, h] =
            std::array::from_fn(|i| Layer { weight: weights[i], bias: biases[i] });
        let mut layout = Self {
            encoder: [a, b, c, d],
            heads,
            decoder_input,
            decoder: [e, f, g, h],
            parameters: Vec::new(),
            weights: before_biases,
            len: arena.len,
        };
        layout.name(config, area);
        layout
    }

    /// Lists the parameters under PyTorch's names, in the order of its `state_dict`.
    fn name(&mut self, config: &ModelConfig, area: u32) {
        let widths = config.widths();
        let [channels, latent] = [widths[4], config.latent];
        for (i, layer) in self.encoder.into_iter().enumerate() {
            let (low, high) = (widths[i + 1], widths[i]);
            self.conv(&format!("encoder.{}", 2 * i), layer, [low, high], low, high);
        }
        for (half, name) in (0..).zip(["fc_mu", "fc_logvar"]) {
            let fan_in = channels * area;
            let weight = Map::Head { half, channels, area, latent };
            self.push(format!("{name}.weight"), &[latent, fan_in], self.heads.weight, weight, fan_in);
            let bias = Map::HeadBias { half, latent };
            self.push(format!("{name}.bias"), &[latent], self.heads.bias, bias, fan_in);
        }
        let weight = Map::Input { channels, area, latent, padded_latent: padded(latent) };
        let (slot, flat) = (self.decoder_input, channels * area);
        self.push("decoder_input.weight".into(), &[flat, latent], slot.weight, weight, latent);
        let bias = Map::Input { channels, area, latent: 1, padded_latent: 1 };
        self.push("decoder_input.bias".into(), &[flat], slot.bias, bias, latent);
        for (i, layer) in self.decoder.into_iter().enumerate() {
            let (low, high) = (widths[4 - i], widths[3 - i]);
            self.conv(&format!("decoder.{}", 2 * i), layer, [low, high], high, high);
        }
    }

    /// PyTorch takes the second dimension of either convolution's weight as the number of inputs.
    fn conv(&mut self, name: &str, layer: Layer, [low, high]: [u32; 2], bias: u32, inputs: u32) {
        let shape = [low, high, 4, 4];
        self.push(format!("{name}.weight"), &shape, layer.weight, Map::Conv { high }, 16 * inputs);
        self.push(format!("{name}.bias"), &[bias], layer.bias, Map::Vector, 16 * inputs);
    }

    fn push(&mut self, name: String, shape: &[u32], slot: Slot, map: Map, fan_in: u32) {
        let shape = shape.iter().map(|&d| d as usize).collect();
        self.parameters.push(Parameter { name, shape, slot, map, fan_in: fan_in.into() });
    }

    /// The layers in order with their names.
    pub fn layers(&self) -> Vec<(String, Layer)> {
        let stack = |part: &str, layers: &[Layer; 4]| {
            let name = |at: usize| format!("{part}.{}", 2 * at);
            layers.iter().enumerate().map(|(at, layer)| (name(at), *layer)).collect::<Vec<_>>()
        };
        let middle = vec![("heads".into(), self.heads), ("decoder_input".into(), self.decoder_input)];
        [stack("encoder", &self.encoder), middle, stack("decoder", &self.decoder)].concat()
    }

    /// A slot's elements out of `weights`: PyTorch's parameters in our layout, padding zero.
    pub fn values(&self, slot: Slot, weights: &StateDict) -> Vec<f32> {
        let mut values = vec![0.0; slot.shape.len() as usize];
        for (parameter, tensor) in self.parameters.iter().zip(&weights.tensors) {
            if parameter.slot == slot {
                parameter.scatter(&tensor.values, &mut values);
            }
        }
        values
    }

    /// PyTorch's names of the parameters that lie in a slot.
    pub fn names(&self, slot: Slot) -> Vec<&str> {
        self.parameters.iter().filter(|p| p.slot == slot).map(|p| p.name.as_str()).collect()
    }

    /// The slots layer by layer, each once.
    pub fn slots(&self) -> Vec<Slot> {
        self.layers().iter().flat_map(|(_, layer)| [layer.weight, layer.bias]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every PyTorch element has its own place in its slot, and the way back is the inverse.
    #[test]
    fn layouts_are_one_to_one() {
        for config in [ModelConfig { size: 32, hidden: 3, latent: 5 }, ModelConfig::DEMO] {
            let layout = Layout::new(&config);
            let count: usize = layout.parameters.iter().map(Parameter::len).sum();
            assert_eq!(count as u64, config.parameters());
            let mut arena = vec![0.0f32; layout.len as usize];
            let mut next = 0.0;
            for p in &layout.parameters {
                let values: Vec<f32> = (0..p.len()).map(|i| next + 1.0 + i as f32).collect();
                next += p.len() as f32;
                let begin = p.slot.offset as usize;
                let slot = &mut arena[begin..begin + p.slot.shape.len() as usize];
                p.scatter(&values, slot);
                assert_eq!(p.gather(slot), values, "{}", p.name);
            }
            assert_eq!(arena.iter().filter(|v| **v != 0.0).count(), count, "two parameters share a place");
        }
    }
}
