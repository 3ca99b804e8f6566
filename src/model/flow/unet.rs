//! The network of a flow: a U-Net of residual blocks over the grid of latents, conditioned on time and class.
//!
//! ```text
//! x -> input -> before -> (down -> middle -> up) + skip -> after -> norm -> output -> velocity
//! block(x) = x + conv2(silu(norm(conv1(silu(norm(x)))) * (1 + scale) + shift)),  scale, shift = linear(condition)
//! condition = silu(linear(features of time and class))
//! ```
//!
//! A grid too small to be halved, and a vector, which is a grid of one cell, have no part in brackets. The convolutions
//! of a vector are 1 x 1: the network is then a residual MLP.
//! Source of the shape: Ronneberger, Fischer and Brox, "U-Net", 2015.

use super::tensors::{BlockTensors, UNetTensors};
use crate::config::FlowConfig;
use crate::gpu::Tensor;
use crate::model::layer::{Grad, InputGrad, Layer, Value};
use crate::model::layers::{Conv2d, Linear, RmsNorm, rms_norm};
use crate::model::params::{Layout, ParamSlice};
use crate::model::recorder::Recorder;
use crate::ops::conv2d::Window;
use crate::ops::silu::{Silu, SiluBackward};
use crate::ops::time_features::TimeFeatures;

/// Elements of the condition for each channel of the network.
const CONDITION: u32 = 2;

/// A residual block.
pub(super) struct Block {
    name: String,
    norm: RmsNorm,
    conv1: Conv2d,
    scale_shift: Linear,
    conv2: Conv2d,
}

impl Block {
    fn new(name: String, channels: u32, condition: u32, window: Window) -> Self {
        let conv = |at: &str| Conv2d::new(format!("{name}.{at}"), channels, channels, window);
        Self {
            norm: RmsNorm::new(format!("{name}.norm"), channels),
            conv1: conv("conv1"),
            scale_shift: Linear::plain(format!("{name}.scale_shift"), condition, 2 * channels),
            conv2: conv("conv2").init(0.0), // the block is the identity to begin with
            name,
        }
    }

    fn layers(&self) -> [&dyn Layer; 4] {
        [&self.norm, &self.conv1, &self.scale_shift, &self.conv2]
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &Params<'_>, condition: Tensor, t: &BlockTensors) {
        self.norm.forward(r, params.of(&self.norm), t.x, t.normed);
        self.conv1.forward(r, params.of(&self.conv1), t.normed, t.inner);
        self.scale_shift.forward(r, params.of(&self.scale_shift), condition, t.scale_shift);
        rms_norm::modulated(r, &self.modulation(), [t.inner, t.scale_shift, t.modulated]);
        self.conv2.forward_add(r, params.of(&self.conv2), (t.modulated, Some(t.x)), t.y);
    }

    /// From the gradient of `y` in `d` to that of `x`, in place, and adds that of the condition to `dcondition`.
    fn backward(
        &self,
        r: &mut Recorder<'_>,
        params: &Params<'_>,
        (condition, dcondition): (Tensor, InputGrad),
        t: &BlockTensors,
        d: Tensor,
    ) {
        let one = r.gradient(d.shape, d.element);
        let dy = Grad::plain(d);
        self.conv2.backward(r, params.of(&self.conv2), Value::plain(t.modulated), dy, Some(one));
        let other = r.gradient(d.shape, d.element);
        let operands = [t.inner, t.scale_shift, one];
        let dscale_shift = rms_norm::modulated_backward(r, &self.modulation(), operands, other);
        let dy = Grad::plain(dscale_shift);
        let (layer, x) = (&self.scale_shift, Value::plain(condition));
        layer.backward_to(r, params.of(layer), x, dy, Some(dcondition));
        r.release(dscale_shift);
        let dy = Grad::plain(other);
        self.conv1.backward(r, params.of(&self.conv1), Value::plain(t.normed), dy, Some(one));
        r.release(other);
        self.norm.backward_to(r, params.of(&self.norm), t.x, one, InputGrad::add(d));
        r.release(one);
    }

    fn modulation(&self) -> String {
        format!("{}.modulation", self.name)
    }
}

/// The part at half the resolution.
struct Lower {
    down: Conv2d,
    middle: Vec<Block>,
    up: Conv2d,
}

/// The slices of every layer's parameters.
pub(super) struct Params<'a>(&'a Layout);

impl<'a> Params<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self(layout)
    }

    fn of(&self, layer: &dyn Layer) -> &'a [ParamSlice] {
        let own = self.0.layers.iter().find(|params| params.name == layer.name());
        &own.expect("the layout has every layer").slices
    }
}

/// The layers of a flow.
pub struct UNet {
    time: Linear,
    input: Conv2d,
    before: Vec<Block>,
    lower: Option<Lower>,
    after: Vec<Block>,
    norm: RmsNorm,
    output: Conv2d,
}

impl UNet {
    /// The layers that `config` means.
    pub fn new(config: FlowConfig) -> Self {
        let FlowConfig { edge, channels, width, blocks, classes } = config;
        let window = if edge == 1 { Window::POINTWISE } else { Window::SAME };
        let condition = Self::condition(&config);
        let place = |name: &str, width| -> Vec<Block> {
            let block = |i| Block::new(format!("{name}.{i}"), width, condition, window);
            (0..blocks).map(block).collect()
        };
        let lower = config.has_lower().then(|| Lower {
            down: Conv2d::new("down", width, 2 * width, Window::HALF),
            middle: place("middle", 2 * width),
            up: Conv2d::transposed("up", 2 * width, width, Window::HALF),
        });
        Self {
            time: Linear::plain("time", TimeFeatures::features(classes), condition),
            input: Conv2d::new("input", channels, width, window),
            before: place("before", width),
            lower,
            after: place("after", width),
            norm: RmsNorm::new("norm", width),
            output: Conv2d::new("output", width, channels, window).init(0.0),
        }
    }

    /// Elements of the condition.
    pub(super) fn condition(config: &FlowConfig) -> u32 {
        CONDITION * config.width
    }

    /// Every layer, in the order of the parameters.
    pub fn layers(&self) -> Vec<&dyn Layer> {
        let mut all: Vec<&dyn Layer> = vec![&self.time, &self.input];
        all.extend(self.before.iter().flat_map(Block::layers));
        if let Some(Lower { down, middle, up }) = &self.lower {
            all.push(down);
            all.extend(middle.iter().flat_map(Block::layers));
            all.push(up);
        }
        all.extend(self.after.iter().flat_map(Block::layers));
        all.extend([&self.norm as &dyn Layer, &self.output]);
        all
    }

    /// The layout of the parameters.
    pub fn layout(&self) -> Layout {
        Layout::of_layers(&self.layers(), 0)
    }

    /// Records the velocity of `t.x` under the condition of `t.features`.
    pub(super) fn forward(&self, r: &mut Recorder<'_>, params: &Params<'_>, t: &UNetTensors) {
        self.time.forward(r, params.of(&self.time), t.features, t.embedded);
        r.op("condition", Silu::new(t.embedded.len()), &[t.embedded, t.condition]);
        self.input.forward(r, params.of(&self.input), t.x, t.first());
        let run = |r: &mut Recorder<'_>, place: &[Block], tensors: &[BlockTensors]| {
            for (block, tensors) in place.iter().zip(tensors) {
                block.forward(r, params, t.condition, tensors);
            }
        };
        run(r, &self.before, &t.before);
        if let Some((Lower { down, middle, up }, low)) = self.lower.as_ref().zip(t.lower.as_ref()) {
            let skip = t.before_last();
            down.forward(r, params.of(down), skip, low.first());
            run(r, middle, &low.blocks);
            up.forward_add(r, params.of(up), (low.last(), Some(skip)), low.sum);
        }
        run(r, &self.after, &t.after);
        self.norm.forward(r, params.of(&self.norm), t.last(), t.normed);
        self.output.forward(r, params.of(&self.output), t.normed, t.velocity);
    }

    /// Records the gradients of all parameters for the gradient `dvelocity`, which it releases.
    pub(super) fn backward(
        &self,
        r: &mut Recorder<'_>,
        params: &Params<'_>,
        t: &UNetTensors,
        dvelocity: Tensor,
    ) {
        let normed = r.gradient(t.normed.shape, t.normed.element);
        let dy = Grad::plain(dvelocity.reshape(t.velocity.shape.dims()));
        self.output.backward(r, params.of(&self.output), Value::plain(t.normed), dy, Some(normed));
        r.release(dvelocity);
        let d = r.gradient(t.normed.shape, t.normed.element);
        self.norm.backward_to(r, params.of(&self.norm), t.last(), normed, InputGrad::replace(d));
        r.release(normed);

        let dcondition = r.gradient(t.condition.shape, t.condition.element);
        let mut written = false;
        let mut run = |r: &mut Recorder<'_>, place: &[Block], tensors: &[BlockTensors], d: Tensor| {
            for (block, tensors) in place.iter().zip(tensors).rev() {
                let into = InputGrad { tensor: dcondition, accumulate: written };
                block.backward(r, params, (t.condition, into), tensors, d);
                written = true;
            }
        };
        run(r, &self.after, &t.after, d);
        if let Some((Lower { down, middle, up }, low)) = self.lower.as_ref().zip(t.lower.as_ref()) {
            // d stays as the gradient of the skip connection
            let dlow = r.gradient(low.last().shape, low.last().element);
            up.backward(r, params.of(up), Value::plain(low.last()), Grad::plain(d), Some(dlow));
            run(r, middle, &low.blocks, dlow);
            let skip = Value::plain(t.before_last());
            down.backward_to(r, params.of(down), skip, Grad::plain(dlow), Some(InputGrad::add(d)));
            r.release(dlow);
        }
        run(r, &self.before, &t.before, d);
        self.input.backward(r, params.of(&self.input), Value::plain(t.x), Grad::plain(d), None);
        r.release(d);

        let dembedded = r.gradient(t.embedded.shape, t.embedded.element);
        let op = SiluBackward::new(t.embedded.len());
        r.op("condition gradient", op, &[t.embedded, dcondition, dembedded]);
        let dy = Grad::plain(dembedded);
        self.time.backward(r, params.of(&self.time), Value::plain(t.features), dy, None);
        r.release(dcondition);
        r.release(dembedded);
    }
}
