//! Training: the loop over epochs and steps, with metrics, events, sample grids, checkpoints and advice.
//! Start with `trainer`. The terminal is not known here: an [`Observer`] is told what happens.

pub mod diagnostics;
mod flow;
mod health;
mod lock;
mod metrics;
mod ranks;
mod reporting;
mod retry;
mod run;
mod sample_grids;
mod schedule;
mod stepper;
mod stop_file;
mod trainer;
mod verify;

pub use flow::{FlowFit, FlowLatents, FlowLength, FlowProgress, FlowSettings, fit_flow};
pub use health::Healthy;
pub use lock::Lock;
pub use metrics::{EpochMetrics, FORMAT, StepMetrics};
pub use ranks::{RankOptions, Sharing};
pub use retry::{Attempt, FAILURES, retry};
pub use run::{METRICS, RunFolder, SETTINGS};
pub use stop_file::{STOP, StopFile};
pub use trainer::{Limit, Limits, Splits, TrainOptions, TrainOutcome, Trainer};
pub use verify::{Receipt, verify};

use crate::data::Skipped;

/// Callbacks of a training.
pub trait Observer {
    /// An epoch of `steps` steps begins at step `step_in_epoch`.
    fn epoch_begins(&mut self, epoch: u32, steps: u64, step_in_epoch: u64);
    /// The loss of a step is available.
    fn step(&mut self, metrics: &StepMetrics);
    /// An epoch has ended.
    fn epoch_ends(&mut self, metrics: &EpochMetrics, pictures: &[std::path::PathBuf]);
    /// A checkpoint was written because [`TrainOptions::save`] was set.
    fn saved(&mut self, _checkpoint: &std::path::Path) {}
    /// A picture could not be read.
    fn skipped(&mut self, problem: &Skipped);
    /// [`diagnostics`] has advice: a line with a figure and something to try.
    fn advice(&mut self, _line: &str) {}
}
