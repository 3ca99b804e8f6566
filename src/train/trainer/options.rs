//! Pictures, options and outcomes of a training.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::checkpoint::{Checkpoint, Keep, State};
use crate::config::TrainConfig;
use crate::data::Dataset;
use crate::train::ranks::RankOptions;

/// The pictures of a training.
#[derive(Clone)]
pub struct Splits {
    /// training pictures
    pub train: Arc<Dataset>,
    /// validation pictures, if there are any
    pub validation: Option<Arc<Dataset>>,
    /// names of the classes by label; empty if the pictures have none
    pub classes: Vec<String>,
}

/// Outcome of a training.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainOutcome {
    /// all epochs were done
    Finished,
    /// early stopping: number of epochs without a lower validation loss
    Early(u32),
    /// stopped by the user, after writing this checkpoint
    Stopped(PathBuf),
    /// at a limit, after writing this checkpoint
    Limited(Limit, PathBuf),
}

/// A limit at which a training ends before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::steps`]
    Steps,
    /// [`Limits::until`]
    Time,
}

/// Limits of a training beside its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// steps of the run
    pub steps: Option<u64>,
    /// the time at which it ends
    pub until: Option<Instant>,
}

impl Limits {
    /// The limit that a training with this number of steps has reached; `late` if its time is over.
    pub(super) fn reached(self, steps: u64, late: bool) -> Option<Limit> {
        if self.steps.is_some_and(|most| steps >= most) {
            return Some(Limit::Steps);
        }
        late.then_some(Limit::Time)
    }

    /// Whether the time is over.
    pub(super) fn late(self) -> bool {
        self.until.is_some_and(|end| Instant::now() >= end)
    }
}

/// Options of a training.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// settings
    pub config: TrainConfig,
    /// checkpoint to resume from; `None` starts with the model as it is
    pub checkpoint: Option<Checkpoint>,
    /// steps between checkpoints within an epoch; every epoch ends with one in any case
    pub every: Option<u64>,
    /// retention of checkpoints
    pub keep: Keep,
    /// limits beside the epochs
    pub limits: Limits,
    /// set by others: the training writes a checkpoint after its step, and goes on
    pub save: Arc<AtomicBool>,
    /// the processes that train the model, if there are several; those after the first write nothing, and take the
    /// parameters of the first
    pub ranks: Option<RankOptions>,
    /// on a rank after the first: the state that the first one resumes from
    pub state: Option<State>,
}

impl From<TrainConfig> for TrainOptions {
    fn from(config: TrainConfig) -> Self {
        Self {
            config,
            checkpoint: None,
            every: None,
            keep: Keep::default(),
            limits: Limits::default(),
            save: Arc::default(),
            ranks: None,
            state: None,
        }
    }
}
