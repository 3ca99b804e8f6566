//! State that all trainings of one command share: requests to stop, the time of the start, the kind of output.

use std::cell::OnceCell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use wgvae::train::{Limit, RunFolder};
use wgvae::watch::Watching;

use super::peers::{self, Peers};
use crate::cli::{TrainArgs, TrainWatchArgs};
use crate::commands::signals::{self, Requested};
use crate::commands::{output, watch};

/// A call of `wgvae train`.
pub(super) struct Session {
    began: Instant,
    pub(super) requested: Requested,
    pub(super) quiet: bool,
    /// only reports what a training would do
    pub(super) dry_run: bool,
    /// the other processes, if a launcher has started several
    pub(super) peers: Option<Peers>,
    watch: TrainWatchArgs,
    /// the page of --watch, one for all runs of a sweep
    page: OnceCell<Watching>,
}

impl Session {
    /// # Errors
    /// If several processes were started and cannot connect.
    pub(super) fn new(args: &TrainArgs) -> Result<Self> {
        let began = Instant::now();
        let requested = Requested::default();
        let peers = peers::connect(&requested)?;
        if peers.as_ref().is_some_and(|peers| !peers.leads()) {
            output::begin(true, false);
        }
        Ok(Self {
            began,
            requested,
            quiet: output::is_quiet(),
            dry_run: args.dry_run,
            peers,
            watch: args.watch.clone(),
            page: OnceCell::new(),
        })
    }

    /// The value, if all processes have one.
    pub(super) fn together<T>(&self, own: Result<T>) -> Result<T> {
        match &self.peers {
            Some(peers) => peers.together(own),
            None => own,
        }
    }

    /// Tells the other processes, if there are any.
    pub(super) fn tell(&self, message: &impl Serialize) -> Result<()> {
        self.peers.as_ref().map_or(Ok(()), |peers| peers.tell(message))
    }

    /// The page of --watch, which the first training begins to serve.
    pub(super) fn page(&self, run: &RunFolder) -> Result<Option<&Watching>> {
        if !self.watch.watch || self.dry_run {
            return Ok(None);
        }
        if self.page.get().is_none() {
            let _ = self.page.set(watch::of_training(&self.watch, run)?);
        }
        Ok(self.page.get())
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
