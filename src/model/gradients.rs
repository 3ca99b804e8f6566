//! Where gradients lie, and for how long.
//!
//! A step of one micro-batch needs no weight's gradient any more once Adam has seen it: then all of them take turns in
//! the memory of the largest, which is nearer to the caches too, and nothing but the biases' gradients waits for the end
//! of the step. Several micro-batches add theirs up, a norm is taken over all, and 16 bits overflow in any.

use super::params::{Layout, Slot};
use crate::gpu::{BufferId, Plan, Tensor, Usage};

/// Where the gradient of each parameter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gradients {
    /// an arena like that of the parameters from element `first` on
    pub arena: BufferId,
    /// where the arena begins: 0, or the first bias
    pub first: u64,
    /// where the gradients before that take turns
    transient_weights: Option<BufferId>,
}

impl Gradients {
    /// Memory for all, or with `passing` for those of the biases and for one weight's at a time.
    pub(super) fn new(plan: &mut Plan, layout: &Layout, transient_weights: bool) -> Self {
        let first = if transient_weights { layout.weights } else { 0 };
        let arena = plan.buffer("gradients", layout.len - first, Usage::State);
        let weights = layout.layers().into_iter().map(|(_, layer)| u64::from(layer.weight.shape.len()));
        let largest = weights.max().unwrap_or(0);
        let transient_weights =
            transient_weights.then(|| plan.buffer("gradient of a weight", largest, Usage::State));
        Self { arena, first, transient_weights }
    }

    /// The gradient of a slot.
    pub fn of(&self, slot: Slot) -> Tensor {
        match self.transient_weights {
            Some(shared) if slot.offset < self.first => Slot { offset: 0, ..slot }.of(shared),
            _ => Slot { offset: slot.offset - self.first, ..slot }.of(self.arena),
        }
    }

    /// Whether a weight's gradient is there only until the next one's.
    pub fn are_transient(&self) -> bool {
        self.transient_weights.is_some()
    }
}
