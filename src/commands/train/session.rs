//! State that all trainings of one command share: requests to stop, the time of the start, the kind of output.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use wgvae::train::Limit;

use crate::cli::TrainArgs;
use crate::commands::output;
use crate::commands::signals::{self, Requested};

/// A call of `wgvae train`.
pub(super) struct Session {
    began: Instant,
    pub(super) requested: Requested,
    pub(super) quiet: bool,
    /// only reports what a training would do
    pub(super) dry_run: bool,
}

impl Session {
    pub(super) fn new(args: &TrainArgs) -> Self {
        let requested = Requested::default();
        Self { began: Instant::now(), requested, quiet: output::is_quiet(), dry_run: args.dry_run }
    }

    /// The time at which a limit of this length ends; `None` if it is further away than the clock goes.
    pub(super) fn until(&self, limit: Duration) -> Option<Instant> {
        self.began.checked_add(limit)
    }
}

/// The end of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// after its last epoch, or before by --patience; or there was nothing to do
    Finished,
    /// at --max-steps or --max-time
    Limited(Limit),
    /// by a signal
    Stopped,
    /// by a failure that has been reported, with this exit code
    Failed(u8),
}

impl Ended {
    pub(super) fn code(self) -> ExitCode {
        match self {
            Self::Finished | Self::Limited(_) => ExitCode::SUCCESS,
            Self::Stopped => ExitCode::from(signals::STOPPED),
            Self::Failed(code) => ExitCode::from(code),
        }
    }
}
