//! What forward and backward share: activations between the layers, and how a layer's products are recorded.

use super::network::{BatchDims, Network, TrainingArenas};
use super::params::{Layer, Slot};
use crate::config::ModelConfig;
use crate::gpu::{Element, Plan, ProgramId, Shape, Tensor, Usage};
use crate::ops::adam::{Adam, AnyAdam};
use crate::ops::conv2d::Geometry;
use crate::ops::gemm::{self, Epilogue, Operands};
use crate::ops::reparameterize::padded;
use crate::ops::tuning::Tuning;

/// Activations between the layers, from the picture inwards: index i has `widths[i]` channels.
pub(super) struct Activations {
    pub(super) encoder: [Tensor; 5],
    /// from the bottleneck outwards, the last being the logits
    pub(super) decoder: [Tensor; 5],
}

impl Activations {
    /// New tensors for all but `x`, the picture's side of the encoder.
    pub(super) fn new(plan: &mut Plan, config: &ModelConfig, dims: BatchDims, x: Tensor) -> Self {
        let mut tensor = |part: &str, layer: usize, i: usize| {
            let (shape, element) = between(config, dims, i);
            plan.tensor_of(format!("{part}.{layer}"), shape.dims(), element)
        };
        let encoder = [1, 2, 3, 4].map(|i| tensor("encoder", 2 * (i - 1), i));
        let bottleneck = tensor("decoder_input", 0, 4);
        let decoder = [3, 2, 1, 0].map(|i| tensor("decoder", 2 * (3 - i), i));
        let [a, b, c, d] = encoder;
        let [e, f, g, h] = decoder;
        Self { encoder: [x, a, b, c, d], decoder: [bottleneck, e, f, g, h] }
    }

    /// Tensors for their gradients, in two buffers by turns: the way back reads one and writes the next, and needs neither
    /// any more when it comes to a third. There is no gradient of `x`, which stands for it.
    pub(super) fn gradients(plan: &mut Plan, config: &ModelConfig, dims: BatchDims, x: Tensor) -> Self {
        let sides = [0, 1, 2, 3, 4, 4, 3, 2, 1].map(|i| between(config, dims, i)); // as the way back meets them
        let words = |(shape, element): (Shape, Element)| element.words(shape.len().into());
        let buffers = [0, 1].map(|turn| {
            let largest = sides.into_iter().skip(turn).step_by(2).map(words).max().unwrap_or(0);
            plan.buffer(format!("gradients of activations {turn}"), largest, Usage::Activation)
        });
        let [h, g, f, e, bottleneck, d, c, b, a] = std::array::from_fn(|at| {
            let ((shape, element), buffer) = (sides[at], buffers[at % 2]);
            Tensor { buffer, offset: 0, shape, element }
        });
        Self { encoder: [x, a, b, c, d], decoder: [bottleneck, e, f, g, h] }
    }
}

/// What side `i` of a convolution is, from the picture inwards. The logits' side is f32 like the picture's: the loss is
/// computed there.
fn between(config: &ModelConfig, dims: BatchDims, i: usize) -> (Shape, Element) {
    let edge = config.size >> i;
    let shape = Shape::new(&[dims.micro, edge, edge, padded(config.widths()[i])]);
    (shape, if i == 0 { Element::F32 } else { dims.precision })
}

pub(super) struct Recorder<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) network: &'a Network,
    pub(super) tuning: &'a Tuning,
    pub(super) program: ProgramId,
}

impl Recorder<'_> {
    pub(super) fn gemm<P: gemm::Product>(
        &mut self,
        label: &str,
        product: P,
        epilogue: Epilogue,
        operands: &Operands,
    ) {
        self.tuning.record_product(self.plan, self.program, label, (product, epilogue), operands);
    }

    pub(super) fn param(&self, slot: Slot) -> Tensor {
        slot.of(self.network.arenas.params)
    }

    pub(super) fn op(&mut self, label: &str, op: impl crate::gpu::Op, bindings: &[Tensor]) {
        self.plan.dispatch(self.program, label, op, bindings);
    }

    pub(super) fn bias_grad(&mut self, name: &str, dy: Tensor, layer: Layer, arenas: TrainingArenas) {
        let label = format!("{name} bias gradient");
        let to = (dy, arenas.gradients.of(layer.bias));
        self.tuning.record_bias_grad(self.plan, self.program, &label, to, self.network.gradient());
    }

    /// The gradient of a layer's weight. The last that reads the weight, because Adam may come at once.
    pub(super) fn weight_grad<P: gemm::Product>(
        &mut self,
        name: &str,
        product: P,
        [left, right]: [Tensor; 2],
        layer: Layer,
        arenas: TrainingArenas,
    ) {
        let out = arenas.gradients.of(layer.weight);
        let operands = Operands { left, right, aux: None, out };
        self.gemm(&format!("{name} weight gradient"), product, self.network.gradient(), &operands);
        if arenas.gradients.are_transient() {
            self.adam(&format!("{name} adam"), arenas, (out, layer.weight.offset));
        }
    }

    /// Adam over the parameters from `offset` on, as many as there are elements of `grad`.
    pub(super) fn adam(&mut self, label: &str, arenas: TrainingArenas, (grad, offset): (Tensor, u64)) {
        let Network { tensors: t, extras, .. } = self.network;
        let [param, moment1, moment2] = [self.network.arenas.params, arenas.moments[0], arenas.moments[1]]
            .map(|buffer| Tensor { buffer, offset, ..grad });
        let op = Adam::new(grad.len(), self.tuning.elementwise_config(AnyAdam).into())
            .clipped(extras.clip.is_some());
        self.op(label, op, &[t.step, grad, t.scaling, t.totals, param, moment1, moment2]);
    }
}

/// The sizes of the convolution between `low` and `high`.
pub(super) fn geometry(low: &Tensor, high: &Tensor) -> Geometry {
    let [low, high] = [low.shape.dims(), high.shape.dims()];
    Geometry { batch: low[0], low_h: low[1], low_w: low[2], low_c: low[3], high_c: high[3] }
}
