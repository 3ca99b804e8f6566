//! The layout of parameters in the flat arenas, and its relation to PyTorch's layouts.
//!
//! Parameters, gradients and optimizer slots are arenas with equal offsets (but see `gradients`): first all weights, then
//! all vectors such as biases. Channels and latents are padded to multiples of 4 with zeros that stay zero: their gradients
//! are zero, and Adam leaves them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::architectures::{Autoencoder, log_sigma};
use super::layer::Layer;
use super::state_dict::StateDict;
use crate::config::ModelConfig;
use crate::gpu::{BufferId, Element, Shape, Tensor};
use crate::ops::normal::normal;

/// Elements to which each tensor's offset is aligned: 256 bytes, WebGPU's alignment of storage offsets.
const ALIGN: u64 = 64;

/// A parameter of a layer in the arenas' layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// padded shape; one dimension for a bias
    pub dims: Vec<u32>,
}

impl ParamSpec {
    /// A parameter of this shape.
    pub fn new(dims: &[u32]) -> Self {
        Self { dims: dims.to_vec() }
    }
}

/// A range of the arenas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamSlice {
    /// first element
    pub offset: u64,
    /// shape
    pub shape: Shape,
}

impl ParamSlice {
    /// The tensor in a given arena.
    pub fn of(&self, arena: BufferId) -> Tensor {
        Tensor { buffer: arena, offset: self.offset, shape: self.shape, element: Element::F32 }
    }
}

/// The places of PyTorch's elements in a parameter: `[i, j, ..]` is at `offset + i * strides[0] + j * strides[1] + ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorchLayout {
    dims: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
}

impl TorchLayout {
    /// For an index of these dimensions, the last one varying fastest in PyTorch, and these strides in the parameter.
    pub fn new(dims: &[u32], strides: &[u32]) -> Self {
        assert_eq!(dims.len(), strides.len(), "a stride for every dimension");
        let [dims, strides] = [dims, strides].map(|list| list.iter().map(|&n| n as usize).collect());
        Self { dims, strides, offset: 0 }
    }

    /// A vector, element by element.
    pub fn vector(len: u32) -> Self {
        Self::new(&[len], &[1])
    }

    /// With its first element `offset` elements into the parameter.
    pub fn at(self, offset: usize) -> Self {
        Self { offset, ..self }
    }

    fn index(&self, i: usize) -> usize {
        let (mut rest, mut index) = (i, self.offset);
        for (dim, stride) in self.dims.iter().zip(&self.strides).rev() {
            index += rest % dim * stride;
            rest /= dim;
        }
        index
    }
}

/// The distribution of initial values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// uniform within `1 / sqrt(n)`: PyTorch's default for n inputs, `kaiming_uniform_(a = sqrt(5))`
    Uniform(u32),
    /// normal of this standard deviation
    Normal(f64),
    /// this number
    Constant(f64),
}

/// A parameter under its PyTorch name, as a layer describes it.
#[derive(Debug, Clone)]
pub struct TorchParam {
    name: String,
    shape: Vec<usize>,
    /// index of the layer's parameter that holds it
    param: usize,
    layout: TorchLayout,
    init: Init,
}

impl TorchParam {
    /// The parameter `name` of this shape in PyTorch, whose elements `layout` finds in the layer's parameter `param`.
    pub fn new(name: String, shape: &[u32], param: usize, layout: TorchLayout, init: Init) -> Self {
        let shape = shape.iter().map(|&n| n as usize).collect();
        Self { name, shape, param, layout, init }
    }

    /// With its layer's parameter at `slice`.
    fn at(self, slice: ParamSlice) -> Parameter {
        let Self { name, shape, layout, init, .. } = self;
        Parameter { name, shape, slice, layout, init }
    }
}

/// A parameter under its PyTorch name, with its place in the arenas.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `encoder.0.weight`
    pub name: String,
    /// its shape in PyTorch
    pub shape: Vec<usize>,
    /// its range of the arenas
    pub slice: ParamSlice,
    layout: TorchLayout,
    init: Init,
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

    /// Copies PyTorch's elements into those of the slice.
    pub fn scatter(&self, values: &[f32], slice: &mut [f32]) {
        values.iter().enumerate().for_each(|(i, value)| slice[self.layout.index(i)] = *value);
    }

    /// The elements in PyTorch's order.
    pub fn gather(&self, slice: &[f32]) -> Vec<f32> {
        (0..self.len()).map(|i| slice[self.layout.index(i)]).collect()
    }

    /// Initial values. Each parameter has its own stream of `seed`.
    pub fn initial(&self, seed: u64, stream: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let mut value = || match self.init {
            Init::Uniform(inputs) => (2.0 * rng.random::<f64>() - 1.0) * (1.0 / f64::from(inputs).sqrt()),
            Init::Normal(deviation) => deviation * normal(&mut rng),
            Init::Constant(value) => value,
        };
        (0..self.len()).map(|_| value() as f32).collect()
    }
}

/// The parameters of a layer in the arenas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerParams {
    /// the layer's name
    pub name: String,
    /// in the order of [`Layer::params`]
    pub slices: Vec<ParamSlice>,
}

/// The arenas' layout.
#[derive(Debug, Clone)]
pub struct Layout {
    /// layer by layer, the encoder's first
    pub layers: Vec<LayerParams>,
    /// number of layers of the encoder
    pub encoder: usize,
    /// the logarithm of the likelihood's width, where it is learned; behind the parameters of the layers
    pub log_sigma: Option<ParamSlice>,
    /// every parameter in PyTorch's order
    pub parameters: Vec<Parameter>,
    /// elements of an arena before the first vector
    pub weights: u64,
    /// elements of an arena
    pub len: u64,
}

impl Layout {
    /// The layout for a model.
    pub fn new(config: &ModelConfig) -> Self {
        Self::of(&Autoencoder::new(config))
    }

    /// The layout for the layers of `architecture`.
    pub fn of(architecture: &Autoencoder) -> Self {
        let Autoencoder { encoder, decoder, .. } = architecture;
        let layers: Vec<&dyn Layer> = encoder.layers().chain(decoder.layers()).collect();
        let layout = Self::of_layers(&layers, encoder.layers().len());
        if architecture.log_sigma { layout.with_log_sigma() } else { layout }
    }

    /// With the likelihood's parameter behind all others.
    fn with_log_sigma(mut self) -> Self {
        let (spec, torch) = log_sigma();
        let slice = ParamSlice { offset: self.len, shape: Shape::new(&spec.dims) };
        self.len = (self.len + u64::from(slice.shape.len())).next_multiple_of(ALIGN);
        self.log_sigma = Some(slice);
        self.parameters.push(torch.at(slice));
        self
    }

    /// The layout for `layers`, of which the first `encoder` are the encoder's.
    pub(super) fn of_layers(layers: &[&dyn Layer], encoder: usize) -> Self {
        let specs: Vec<Vec<ParamSpec>> = layers.iter().map(|layer| layer.params()).collect();
        let mut len = 0;
        let mut offsets: Vec<Vec<u64>> = specs.iter().map(|specs| vec![0; specs.len()]).collect();
        let mut place = |vectors: bool| {
            for (specs, offsets) in specs.iter().zip(&mut offsets) {
                for (spec, offset) in specs.iter().zip(offsets) {
                    if (spec.dims.len() == 1) == vectors {
                        *offset = len;
                        let elements: u64 = spec.dims.iter().map(|&d| u64::from(d)).product();
                        len = (len + elements).next_multiple_of(ALIGN);
                    }
                }
            }
            len
        };
        let (weights, len) = (place(false), place(true));
        let slices = |at: usize| {
            let both = specs[at].iter().zip(&offsets[at]);
            both.map(|(spec, &offset)| ParamSlice { offset, shape: Shape::new(&spec.dims) })
                .collect::<Vec<_>>()
        };
        let params = layers.iter().enumerate();
        let params: Vec<LayerParams> =
            params.map(|(at, layer)| LayerParams { name: layer.name().into(), slices: slices(at) }).collect();
        let named = layers.iter().zip(&params).flat_map(|(layer, own)| {
            layer.torch_params().into_iter().map(|torch| {
                let slice = own.slices[torch.param];
                torch.at(slice)
            })
        });
        let parameters = named.collect();
        Self { encoder, log_sigma: None, layers: params, parameters, weights, len }
    }

    /// The parameters of each layer of the encoder, and of the decoder.
    pub(super) fn halves(&self) -> [Vec<Vec<ParamSlice>>; 2] {
        let (encoder, decoder) = self.layers.split_at(self.encoder);
        [encoder, decoder].map(|layers| layers.iter().map(|layer| layer.slices.clone()).collect())
    }

    /// The elements of a slice out of `weights`: PyTorch's parameters in our layout, padding zero.
    pub fn values(&self, slice: ParamSlice, weights: &StateDict) -> Vec<f32> {
        let mut values = vec![0.0; slice.shape.len() as usize];
        for (parameter, tensor) in self.parameters.iter().zip(&weights.tensors) {
            if parameter.slice == slice {
                parameter.scatter(&tensor.values, &mut values);
            }
        }
        values
    }

    /// PyTorch's names of the parameters in a slice.
    pub fn names(&self, slice: ParamSlice) -> Vec<&str> {
        self.parameters.iter().filter(|p| p.slice == slice).map(|p| p.name.as_str()).collect()
    }

    /// The slices layer by layer, each once.
    pub fn slices(&self) -> Vec<ParamSlice> {
        self.layers.iter().flat_map(|layer| layer.slices.iter().copied()).chain(self.log_sigma).collect()
    }
}

/// Parameters of a model, as PyTorch counts them.
pub fn parameter_count(config: &ModelConfig) -> u64 {
    Layout::new(config).parameters.iter().map(|parameter| parameter.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every PyTorch element has its own place in its slot, and the way back is the inverse.
    #[test]
    fn layouts_are_one_to_one() {
        let learned = ModelConfig { learned_sigma: true, ..ModelConfig::DEMO };
        for config in [ModelConfig::reference(32, 3, 5), ModelConfig::DEMO, learned] {
            let layout = Layout::new(&config);
            let count: usize = layout.parameters.iter().map(Parameter::len).sum();
            assert_eq!(count as u64, parameter_count(&config));
            assert_eq!(layout.log_sigma.is_some(), config.learned_sigma);
            let mut arena = vec![0.0f32; layout.len as usize];
            let mut next = 0.0;
            for p in &layout.parameters {
                let values: Vec<f32> = (0..p.len()).map(|i| next + 1.0 + i as f32).collect();
                next += p.len() as f32;
                let begin = p.slice.offset as usize;
                let slice = &mut arena[begin..begin + p.slice.shape.len() as usize];
                p.scatter(&values, slice);
                assert_eq!(p.gather(slice), values, "{}", p.name);
            }
            assert_eq!(arena.iter().filter(|v| **v != 0.0).count(), count, "two parameters share a place");
        }
    }
}
