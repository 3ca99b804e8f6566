//! Gradient synchronisation of several processes, between the backward pass and the optimizer's step.

use crate::error::Result;
use crate::gpu::{Runner, Tensor};

/// Adds up the gradients of all processes that train one model.
pub trait GradientSync: Send {
    /// Processes that train the model.
    fn world(&self) -> usize;

    /// Replaces `gradients`, the whole arena, by the sum over all processes.
    ///
    /// # Errors
    /// If the device or another process is lost.
    fn all_reduce(&mut self, runner: &mut dyn Runner, gradients: &Tensor) -> Result<()>;
}

/// A single process: nothing to add up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleProcess;

impl GradientSync for SingleProcess {
    fn world(&self) -> usize {
        1
    }

    fn all_reduce(&mut self, _runner: &mut dyn Runner, _gradients: &Tensor) -> Result<()> {
        Ok(())
    }
}
