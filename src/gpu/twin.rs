//! The reference runner: runs programs on the CPU twins, to check kernels and to find a wrong one.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::ids::ProgramId;
use super::kernel::Access;
use super::op::Dispatch;
use super::plan::Plan;
use super::profile::{Clock, Recorder, Timing, Timings};
use super::program::Item;
use super::runner::{Reading, ReadingState, Runner};
use super::tensor::Tensor;
use crate::error::Result;

/// A plan with its buffers in host memory. Slow by design.
pub struct ReferenceRunner {
    plan: Plan,
    buffers: Vec<Vec<u32>>,
    ring: VecDeque<(u64, Vec<f32>)>,
    recorder: Option<Recorder>,
}

impl ReferenceRunner {
    /// Allocates the plan's buffers, zeroed.
    pub fn new(plan: Plan) -> Self {
        let buffers = plan.buffers.iter().map(|b| vec![0; b.len as usize]).collect();
        Self { plan, buffers, ring: VecDeque::new(), recorder: None }
    }

    /// The plan, for another runner.
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// The 32-bit words of a tensor. Those of f16 begin and end at whole words, since all lengths are multiples of 4.
fn range(tensor: &Tensor) -> Range<usize> {
    let begin = tensor.element.words(tensor.offset);
    begin as usize..(begin + tensor.element.words(tensor.len().into())) as usize
}

fn load(tensor: &Tensor, buffers: &[Vec<u32>]) -> Vec<f32> {
    tensor.element.unpack(&buffers[tensor.buffer.0][range(tensor)])
}

/// Copies the operands out, runs the twin, and copies the results back, rounded to the tensors' element types. The copies
/// are needed because bindings may share a buffer.
fn run_one(dispatch: &Dispatch, buffers: &mut [Vec<u32>]) {
    let bindings = &dispatch.bindings;
    let mut operands: Vec<Vec<f32>> = bindings.iter().map(|t| load(t, buffers)).collect();
    dispatch.op.twin(&mut operands);
    for ((tensor, operand), (_, access)) in bindings.iter().zip(&operands).zip(&dispatch.reflection.bindings)
    {
        if *access == Access::ReadWrite {
            buffers[tensor.buffer.0][range(tensor)].copy_from_slice(&tensor.element.pack(operand));
        }
    }
}

impl Runner for ReferenceRunner {
    fn write(&mut self, tensor: &Tensor, words: &[u32]) {
        let range = range(tensor);
        assert!(words.len() <= range.len(), "write: {} words to {}", words.len(), tensor.shape);
        self.buffers[tensor.buffer.0][range.start..range.start + words.len()].copy_from_slice(words);
    }

    fn run(&mut self, programs: &[ProgramId]) -> Result<()> {
        for id in programs {
            self.run_items(*id, 0..self.plan.get(*id).items.len())?;
        }
        Ok(())
    }

    fn run_items(&mut self, id: ProgramId, items: Range<usize>) -> Result<()> {
        let program = self.plan.get(id);
        for item in &program.items[items] {
            let began = Instant::now();
            match item {
                Item::Dispatch(dispatch) => run_one(dispatch, &mut self.buffers),
                Item::Clear(buffer) => self.buffers[buffer.0].fill(0),
                // twins read the tensors themselves, so a stale texture shows as a difference
                Item::TextureCopy(_) => {}
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.push_since(Timing::of(&self.plan, program, item), began);
            }
        }
        Ok(())
    }

    fn start_read(&mut self, tensors: &[Tensor]) -> Result<Reading> {
        let values = tensors.iter().flat_map(|tensor| load(tensor, &self.buffers)).collect();
        Ok(Reading(ReadingState::Values(values)))
    }

    fn has_arrived(&mut self, _reading: &Reading) -> bool {
        true
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>> {
        match reading.0 {
            ReadingState::Values(values) => Ok(values),
            ReadingState::Pending(_) | ReadingState::Later(..) => unreachable!("a reading of another runner"),
        }
    }

    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(load(tensor, &self.buffers))
    }

    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()> {
        let values = self.read(tensor)?;
        self.ring.push_back((tag, values));
        Ok(())
    }

    fn poll_readbacks(&mut self, _wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        Ok(self.ring.drain(..).collect())
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn name(&self) -> String {
        "CPU twins".into()
    }

    fn profile(&mut self, on: bool) -> Result<()> {
        self.recorder = on.then(|| Recorder::new(Clock::Host));
        Ok(())
    }

    fn timings(&mut self) -> Result<Timings> {
        Ok(self.recorder.as_mut().map_or_else(Timings::default, Recorder::take))
    }
}
