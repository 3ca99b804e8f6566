//! A runner that computes nothing and takes as long as a device of a given speed would: to try the order of a step's parts.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::ids::ProgramId;
use super::plan::Plan;
use super::program::Item;
use super::runner::{Reading, ReadingState, Runner};
use super::tensor::Tensor;
use crate::error::Result;

/// A plan without buffers. All values are zero.
pub struct PacedRunner {
    plan: Plan,
    /// units of work per second, see [`super::Dispatch::work`]
    rate: f64,
    /// the time at which everything submitted so far is done
    idle: Instant,
    /// read-backs: when they are there, their tag and their length
    ring: VecDeque<(Instant, u64, usize)>,
}

impl PacedRunner {
    /// A device that does `rate` units of work per second.
    pub fn new(plan: Plan, rate: f64) -> Self {
        Self { plan, rate, idle: Instant::now(), ring: VecDeque::new() }
    }

    fn wait(&self) {
        sleep_until(self.idle);
    }
}

fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

fn words(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|tensor| tensor.len() as usize).sum()
}

impl Runner for PacedRunner {
    fn write(&mut self, _tensor: &Tensor, _words: &[u32]) {}

    fn run(&mut self, programs: &[ProgramId]) -> Result<()> {
        programs.iter().try_for_each(|id| self.run_items(*id, 0..self.plan.get(*id).items.len()))
    }

    fn run_items(&mut self, program: ProgramId, items: Range<usize>) -> Result<()> {
        let work: f64 = self.plan.get(program).items[items].iter().map(Item::work).sum();
        self.idle = self.idle.max(Instant::now()) + Duration::from_secs_f64(work / self.rate);
        Ok(())
    }

    fn start_read(&mut self, tensors: &[Tensor]) -> Result<Reading> {
        Ok(Reading(ReadingState::Later(self.idle, words(tensors))))
    }

    fn has_arrived(&mut self, reading: &Reading) -> bool {
        matches!(reading.0, ReadingState::Later(at, _) if at <= Instant::now())
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>> {
        match reading.0 {
            ReadingState::Later(at, len) => {
                sleep_until(at);
                Ok(vec![0.0; len])
            }
            ReadingState::Values(_) | ReadingState::Pending(_) => unreachable!("a reading of another runner"),
        }
    }

    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        self.wait();
        Ok(vec![0.0; words(&[*tensor])])
    }

    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()> {
        self.ring.push_back((self.idle, tag, words(&[*tensor])));
        Ok(())
    }

    fn poll_readbacks(&mut self, wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        if wait {
            self.wait();
        }
        let now = Instant::now();
        let there = self.ring.iter().take_while(|(at, ..)| *at <= now).count();
        Ok(self.ring.drain(..there).map(|(_, tag, len)| (tag, vec![0.0; len])).collect())
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn name(&self) -> String {
        "a device that only takes time".into()
    }
}
