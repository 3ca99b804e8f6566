//! The recorder of a program: the plan, the parameters' arenas, activations, and the pool of gradient buffers.
//!
//! Read this with [`layer`](super::layer) to add a layer.

use super::network::TrainingArenas;
use super::params::ParamSlice;
use crate::gpu::{BufferId, Element, Op, Plan, ProgramId, Shape, Tensor, Usage};
use crate::ops::adam::{Adam, AnyAdam};
use crate::ops::gemm::{self, Epilogue, Operands};
use crate::ops::tuning::Tuning;

/// Buffers for the gradients of activations. A buffer that is released is used again, the least recently released first:
/// its texture copies are the least likely to be read again. A chain of layers needs two.
#[derive(Default)]
struct GradientPool {
    free: Vec<BufferId>,
    all: Vec<BufferId>,
}

impl GradientPool {
    /// A buffer for a tensor of this shape, made longer if it is too short.
    fn take(&mut self, plan: &mut Plan, shape: Shape, element: Element) -> Tensor {
        let buffer = if self.free.is_empty() {
            let label = format!("gradients of activations {}", self.all.len());
            let buffer = plan.buffer(label, 0, Usage::Activation);
            self.all.push(buffer);
            buffer
        } else {
            self.free.remove(0)
        };
        plan.grow(buffer, element.words(shape.len().into()));
        Tensor { buffer, offset: 0, shape, element }
    }

    /// Gives a buffer back; one that is not of this pool stays as it is.
    fn release(&mut self, buffer: BufferId) {
        if self.all.contains(&buffer) {
            self.free.push(buffer);
        }
    }
}

/// The tensors and switches of a training.
#[derive(Debug, Clone, Copy)]
pub(super) struct Training {
    /// gradients and Adam's slots
    pub(super) arenas: TrainingArenas,
    /// whether gradients add to those of the micro-batches before
    pub(super) accumulate: bool,
    /// whether the gradient's norm is limited
    pub(super) clip: bool,
    /// decay of Adam's second moment
    pub(super) beta2: f64,
    /// `step`, `scaling` and `totals`, which Adam reads
    pub(super) state: [Tensor; 3],
}

/// Records dispatches of one program.
pub struct Recorder<'a> {
    pub(super) plan: &'a mut Plan,
    tuning: &'a Tuning,
    program: ProgramId,
    /// elements of activations between layers
    precision: Element,
    /// arena of the parameters
    params: BufferId,
    /// only in a training
    training: Option<Training>,
    pool: GradientPool,
}

impl<'a> Recorder<'a> {
    /// A recorder of `program`, with activations between layers of type `precision`; `training` only in a training.
    pub(super) fn new(
        plan: &'a mut Plan,
        tuning: &'a Tuning,
        program: ProgramId,
        (precision, params): (Element, BufferId),
        training: Option<Training>,
    ) -> Self {
        Self { plan, tuning, program, precision, params, training, pool: GradientPool::default() }
    }
}

impl Recorder<'_> {
    /// A new tensor for an activation between layers.
    pub(super) fn activation(&mut self, label: &str, shape: Shape) -> Tensor {
        self.plan.tensor_of(label, shape.dims(), self.precision)
    }

    /// A tensor for a gradient, until [`Recorder::release`].
    pub(super) fn gradient(&mut self, shape: Shape, element: Element) -> Tensor {
        self.pool.take(self.plan, shape, element)
    }

    /// Gives the buffer of a gradient back to the pool.
    pub(super) fn release(&mut self, tensor: Tensor) {
        self.pool.release(tensor.buffer);
    }

    /// Records a matrix product in the configuration that the tuning says.
    pub(super) fn gemm<P: gemm::Product>(
        &mut self,
        label: &str,
        product: P,
        epilogue: Epilogue,
        operands: &Operands,
    ) {
        self.tuning.record_product(self.plan, self.program, label, (product, epilogue), operands);
    }

    /// A parameter.
    pub(super) fn param(&self, slice: ParamSlice) -> Tensor {
        slice.of(self.params)
    }

    /// Records one dispatch.
    pub(super) fn op(&mut self, label: &str, op: impl Op, bindings: &[Tensor]) {
        self.plan.dispatch(self.program, label, op, bindings);
    }

    fn training(&self) -> Training {
        self.training.expect("gradients are recorded for a training")
    }

    /// The epilogue of a parameter's gradient: it replaces the gradient of the step before, or is added to the gradients
    /// of earlier micro-batches.
    fn gradient_epilogue(&self) -> Epilogue {
        if self.training().accumulate { Epilogue::ACCUMULATE } else { Epilogue::NONE }
    }

    /// The gradient of a bias: column sums of `dy`.
    pub(super) fn bias_grad(&mut self, name: &str, dy: Tensor, bias: ParamSlice) {
        let label = format!("{name} bias gradient");
        let to = (dy, self.training().arenas.gradients.of(bias));
        self.tuning.record_bias_grad(self.plan, self.program, &label, to, self.gradient_epilogue());
    }

    /// The gradient of a weight, and Adam's step right after it if the gradient's buffer is needed for the next weight.
    pub(super) fn weight_grad<P: gemm::Product>(
        &mut self,
        name: &str,
        product: P,
        [left, right]: [Tensor; 2],
        weight: ParamSlice,
    ) {
        let gradients = self.training().arenas.gradients;
        let out = gradients.of(weight);
        let operands = Operands { left, right, aux: None, addend: None, out };
        self.gemm(&format!("{name} weight gradient"), product, self.gradient_epilogue(), &operands);
        if gradients.are_transient() {
            self.adam(&format!("{name} adam"), out, weight.offset);
        }
    }

    /// Adam over the parameters from `offset` on, one for each element of `grad`.
    pub(super) fn adam(&mut self, label: &str, grad: Tensor, offset: u64) {
        let Training { arenas, clip, beta2, state: [step, scaling, totals], .. } = self.training();
        let [first, second] = arenas.slots;
        let [param, moment1, moment2] =
            [self.params, first, second].map(|buffer| Tensor { buffer, offset, ..grad });
        let launch = self.tuning.elementwise_config(AnyAdam).into();
        let op = Adam::new(grad.len(), launch).clipped(clip).beta2(beta2);
        self.op(label, op, &[step, grad, scaling, totals, param, moment1, moment2]);
    }
}
