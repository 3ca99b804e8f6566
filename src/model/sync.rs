//! Gradient synchronisation of several processes, between the backward pass and the optimizer's step.

use crate::error::Result;
use crate::gpu::{BufferId, Runner};

/// Adds up the gradients of all processes that train one model.
pub trait GradientSync: Send {
    /// Replaces every element of the buffer `gradients` by the sum over all processes; the runner's plan has its length.
    ///
    /// # Errors
    /// If the device or another process is lost.
    fn all_reduce(&mut self, runner: &mut dyn Runner, gradients: BufferId) -> Result<()>;
}

/// A single process: nothing to add up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleProcess;

impl GradientSync for SingleProcess {
    fn all_reduce(&mut self, _runner: &mut dyn Runner, _gradients: BufferId) -> Result<()> {
        Ok(())
    }
}
