//! Training: the loop over epochs and steps, its metrics, events, pictures and checkpoints, and advice on what they say.
//!
//! Knows nothing of the terminal: what happens is told to an [`Observer`].

pub mod diagnostics;
mod health;
mod lock;
mod metrics;
mod reporting;
mod retry;
mod run;
mod sample_grids;
mod schedule;
mod stepper;
mod trainer;
mod verify;

pub use health::Healthy;
pub use lock::Lock;
pub use metrics::{EpochMetrics, StepMetrics};
pub use retry::{Attempt, retry};
pub use run::{METRICS, RunFolder, SETTINGS};
pub use trainer::{Splits, TrainOptions, TrainOutcome, Trainer};
pub use verify::{Receipt, verify};

use crate::data::Skipped;

/// Is told what happens during a training.
pub trait Observer {
    /// An epoch of `steps` steps begins at step `step_in_epoch`.
    fn epoch_begins(&mut self, epoch: u32, steps: u64, step_in_epoch: u64);
    /// A step's loss has come back.
    fn step(&mut self, metrics: &StepMetrics);
    /// An epoch has ended.
    fn epoch_ends(&mut self, metrics: &EpochMetrics, pictures: &[std::path::PathBuf]);
    /// A picture could not be read.
    fn skipped(&mut self, problem: &Skipped);
    /// [`diagnostics`] has something to say: a line with a figure and what to try.
    fn advice(&mut self, _line: &str) {}
}
