//! Runs programs on the CPU twins: the reference for every kernel, and a way to find the one that is wrong.

use std::collections::VecDeque;
use std::time::Instant;

use super::kernel::Access;
use super::profile::{Clock, Recorder, Timing, Timings};
use super::program::{Dispatch, Item, Plan, ProgramId, Runner};
use super::tensor::Tensor;
use crate::error::Result;

/// A plan with its buffers in ordinary memory. Slow by design.
pub struct TwinRunner {
    plan: Plan,
    buffers: Vec<Vec<f32>>,
    ring: VecDeque<(u64, Vec<f32>)>,
    recorder: Option<Recorder>,
}

impl TwinRunner {
    /// Allocates the plan's buffers, zeroed.
    pub fn new(plan: Plan) -> Self {
        let buffers = plan.buffers.iter().map(|b| vec![0.0; b.len as usize]).collect();
        Self { plan, buffers, ring: VecDeque::new(), recorder: None }
    }

    /// The plan, for another runner.
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

fn range(tensor: &Tensor) -> std::ops::Range<usize> {
    let begin = tensor.offset as usize;
    begin..begin + tensor.len() as usize
}

/// Copies the operands out, runs the twin, copies the results back: bindings may share a buffer.
fn run_one(dispatch: &Dispatch, buffers: &mut [Vec<f32>]) {
    let bindings = &dispatch.bindings;
    let mut operands: Vec<Vec<f32>> =
        bindings.iter().map(|t| buffers[t.buffer.0][range(t)].to_vec()).collect();
    dispatch.op.twin(&mut operands);
    for ((tensor, operand), (_, access)) in bindings.iter().zip(&operands).zip(&dispatch.reflection.bindings)
    {
        if *access == Access::ReadWrite {
            buffers[tensor.buffer.0][range(tensor)].copy_from_slice(operand);
        }
    }
}

impl Runner for TwinRunner {
    fn write(&mut self, tensor: &Tensor, words: &[u32]) {
        assert!(words.len() <= tensor.len() as usize, "write: {} words to {}", words.len(), tensor.shape);
        let begin = tensor.offset as usize;
        self.buffers[tensor.buffer.0][begin..begin + words.len()]
            .copy_from_slice(bytemuck::cast_slice(words));
    }

    fn run(&mut self, programs: &[ProgramId]) -> Result<()> {
        for id in programs {
            let program = self.plan.get(*id);
            for item in &program.items {
                let began = Instant::now();
                match item {
                    Item::Dispatch(dispatch) => run_one(dispatch, &mut self.buffers),
                    Item::Clear(buffer) => self.buffers[buffer.0].fill(0.0),
                }
                if let Some(recorder) = &mut self.recorder {
                    recorder.push_since(Timing::of(&self.plan, program, item), began);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(self.buffers[tensor.buffer.0][range(tensor)].to_vec())
    }

    fn request(&mut self, tensor: &Tensor, tag: u64) -> Result<()> {
        let values = self.read(tensor)?;
        self.ring.push_back((tag, values));
        Ok(())
    }

    fn arrived(&mut self, _wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
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
