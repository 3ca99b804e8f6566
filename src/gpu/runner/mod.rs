//! Runners: the trait of everything that executes a plan, and the one for GPUs.
//!
//! [`GpuRunner`] compiles and replays a plan by wgpu. The reference on the CPU is
//! [`ReferenceRunner`](super::ReferenceRunner).

mod compile_only;
mod device;
mod encode;
mod gpu_runner;
mod memory;
mod pace;
mod pipeline_cache;
mod pipelines;
mod readback;
mod timestamps;

use std::ops::Range;

use super::ids::ProgramId;
use super::plan::Plan;
use super::profile::Timings;
use super::tensor::{Element, Tensor};
use crate::error::{Error, Result};

pub use compile_only::{Compiled, compile_only};
pub use gpu_runner::GpuRunner;
pub use readback::Reading;
pub(in crate::gpu) use readback::ReadingState;

/// Memory for a plan's buffers, and the means to run its programs on them.
pub trait Runner {
    /// Copies `words` (32-bit, two elements of an f16 tensor each) to the start of `tensor`.
    fn write(&mut self, tensor: &Tensor, words: &[u32]);
    /// Runs the programs in order.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn run(&mut self, programs: &[ProgramId]) -> Result<()>;
    /// Runs a range of the items of one program. A program may be run in ranges that follow each other.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn run_items(&mut self, program: ProgramId, items: Range<usize>) -> Result<()>;
    /// Begins to copy f32 tensors back, as they are after everything submitted before.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn start_read(&mut self, tensors: &[Tensor]) -> Result<Reading>;
    /// Whether the copy is there, so that [`Runner::finish_read`] does not wait.
    fn has_arrived(&mut self, reading: &Reading) -> bool;
    /// Waits for the copy, and returns the tensors end to end.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>>;
    /// Waits for everything submitted before and copies `tensor` back.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>>;
    /// Requests the present content of a small tensor without waiting; [`Runner::poll_readbacks`] returns it with `tag`.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()>;
    /// The read-backs that have arrived, in the order of their requests; with `wait`, all of them.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn poll_readbacks(&mut self, wait: bool) -> Result<Vec<(u64, Vec<f32>)>>;
    /// The plan that it runs.
    fn plan(&self) -> &Plan;
    /// The adapter's name, for reports.
    fn name(&self) -> String;

    /// For tests: loses the device, as a driver or a cable may.
    #[doc(hidden)]
    fn lose_device(&mut self) {}

    /// Submits to the device since the runner was made.
    fn submits(&self) -> u64 {
        0
    }

    /// Switches the recording of times on, with an empty record, or off. While it is on, every dispatch is timed; runs take
    /// longer and compute the same bits.
    ///
    /// # Errors
    /// If the device is lost or refuses, or the runner cannot time its dispatches.
    fn profile(&mut self, on: bool) -> Result<()> {
        let refusal = || Error::Usage(format!("{} does not time its dispatches", self.name()));
        if on { Err(refusal()) } else { Ok(()) }
    }

    /// Waits for everything and returns the times since the last call; nothing if recording is off.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn timings(&mut self) -> Result<Timings> {
        Ok(Timings::default())
    }

    /// [`Runner::write`] of floats, converted to the tensor's element type.
    fn write_f32(&mut self, tensor: &Tensor, values: &[f32]) {
        match tensor.element {
            Element::F32 => self.write(tensor, bytemuck::cast_slice(values)),
            Element::F16 => self.write(tensor, &tensor.element.pack(values)),
        }
    }
}
