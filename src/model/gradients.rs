//! Buffers of the parameters' gradients.
//!
//! With a single micro-batch Adam runs right after each weight gradient, so one buffer of the largest size serves all of
//! them; only the gradients of biases wait for the end of the step. All gradients are kept if micro-batches add theirs up,
//! if the norm of all is limited, and in f16, where any of them may overflow.

use super::params::{Layout, ParamSlice};
use crate::gpu::{BufferId, Plan, Tensor, Usage};

/// The buffers of the gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gradients {
    /// an arena like that of the parameters from element `first` on
    pub arena: BufferId,
    /// element of the parameters' arena at which this one begins: 0, or the first bias
    pub first: u64,
    /// buffer that the gradients of the weights share, one after the other
    transient_weights: Option<BufferId>,
}

impl Gradients {
    /// Buffers for all gradients, or with `transient_weights` for those of biases and for one weight at a time.
    pub(super) fn new(plan: &mut Plan, layout: &Layout, transient_weights: bool) -> Self {
        let first = if transient_weights { layout.weights } else { 0 };
        let arena = plan.buffer("gradients", layout.len - first, Usage::State);
        let weights = layout.slices().into_iter().filter(|slice| slice.offset < layout.weights);
        let largest = weights.map(|slice| u64::from(slice.shape.len())).max().unwrap_or(0);
        let transient_weights =
            transient_weights.then(|| plan.buffer("gradient of a weight", largest, Usage::State));
        Self { arena, first, transient_weights }
    }

    /// The gradient of a parameter.
    pub fn of(&self, slice: ParamSlice) -> Tensor {
        match self.transient_weights {
            Some(shared) if slice.offset < self.first => ParamSlice { offset: 0, ..slice }.of(shared),
            _ => ParamSlice { offset: slice.offset - self.first, ..slice }.of(self.arena),
        }
    }

    /// Whether a weight's gradient is there only until the next one's.
    pub fn are_transient(&self) -> bool {
        self.transient_weights.is_some()
    }
}
