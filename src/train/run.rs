//! Run folders: names, paths and creation.
//! Read this for the layout of `runs/NAME`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Lock;
use crate::checkpoint::{self, State};
use crate::error::{Error, Result};

/// Paths of a run: `runs/NAME`, and the folder with copies of its pictures.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// name of the run
    pub name: String,
    /// `runs/NAME`
    pub path: PathBuf,
    /// folder for copies of the pictures
    pub samples: PathBuf,
}

/// File name of the settings that the run began with.
pub const SETTINGS: &str = "config.toml";
/// File name of the metrics: one line per step and epoch.
pub const METRICS: &str = "metrics.jsonl";

impl RunFolder {
    /// Creates a new run's folder and locks it for this process: the one called `name`, or without a name the first
    /// free one of `base`, `base-2`, `base-3`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the run has begun or another process holds its lock, [`Error::Io`] if it is not writable.
    pub fn claim(runs: &Path, name: Option<&str>, base: &str, samples: &Path) -> Result<(Self, Lock)> {
        if let Some(name) = name {
            let run = Self::open(runs, name, samples)?;
            run.ensure_new()?;
            let lock = run.create()?;
            run.ensure_new()?;
            return Ok((run, lock));
        }
        let numbered = (2u32..).map(|n| format!("{base}-{n}"));
        for name in std::iter::once(base.to_owned()).chain(numbered) {
            let run = Self::open(runs, &name, samples)?;
            if run.path.join(SETTINGS).exists() || run.begun() {
                continue;
            }
            match run.create() {
                Ok(lock) if lock.is_new() => return Ok((run, lock)),
                // left by a process that was killed before the first checkpoint; only a lock can tell
                Ok(lock) if lock.missing.is_none() && !run.path.join(SETTINGS).exists() => {
                    return Ok((run, lock));
                }
                Ok(_) => {}
                Err(Error::Usage(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Usage(format!("{}: no name is free", crate::data::printable(runs))))
    }

    /// Refuses a run that has already begun.
    ///
    /// # Errors
    /// [`Error::Usage`] with advice.
    pub fn ensure_new(&self) -> Result<()> {
        if !self.begun() {
            return Ok(());
        }
        let path = crate::data::printable(&self.path);
        Err(Error::Usage(format!(
            "{path} is there already: continue it with --resume, or choose another --name"
        )))
    }

    /// The paths of an existing or future run.
    ///
    /// # Errors
    /// [`Error::Usage`] if the name is not valid for a folder.
    pub fn open(runs: &Path, name: &str, samples: &Path) -> Result<Self> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if !plain {
            return Err(Error::Usage(format!("--name {name:?}: must be a folder's name, without slashes")));
        }
        Ok(Self { name: name.to_owned(), path: runs.join(name), samples: samples.to_path_buf() })
    }

    /// The most recently written run in `runs`.
    pub fn newest(runs: &Path) -> Option<String> {
        let changed = |entry: &fs::DirEntry| {
            let last = entry.path().join("checkpoints").join("last");
            fs::metadata(last).and_then(|m| m.modified()).ok()
        };
        let entries = fs::read_dir(runs).ok()?.filter_map(std::result::Result::ok);
        let newest = entries.filter_map(|e| Some((changed(&e)?, e))).max_by_key(|(time, _)| *time);
        newest.map(|(_, entry)| entry.file_name().to_string_lossy().into_owned())
    }

    /// Whether the run has a checkpoint: without one, it may be started again.
    fn begun(&self) -> bool {
        let entries =
            fs::read_dir(self.checkpoints()).into_iter().flatten().filter_map(std::result::Result::ok);
        entries.into_iter().any(|e| e.path().is_dir() && !e.file_name().to_string_lossy().starts_with('.'))
    }

    /// All folders of the run: its own, those within it, and the samples folder.
    pub fn folders(&self) -> [PathBuf; 4] {
        [self.path.clone(), self.checkpoints(), self.path.join("samples"), self.samples.clone()]
    }

    /// The folder with the run's checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The reasons why checkpoints are damaged, and the others from the newest on, loaded one by one.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn newest_first(
        &self,
    ) -> Result<impl Iterator<Item = Result<(PathBuf, checkpoint::Checkpoint)>>> {
        let checkpoint::Listing { whole, broken } = checkpoint::list(&self.checkpoints())?;
        let loaded =
            whole.into_iter().rev().map(|(path, _)| checkpoint::load(&path).map(|found| (path, found)));
        Ok(broken.into_iter().map(Err).chain(loaded))
    }

    /// The newest checkpoint that is not damaged.
    ///
    /// # Errors
    /// [`Error::Model`] with the damaged ones if there is none.
    pub fn newest_checkpoint(&self) -> Result<(PathBuf, checkpoint::Checkpoint)> {
        let mut reasons = String::new();
        for found in self.newest_first()? {
            match found {
                Ok(found) => return Ok(found),
                Err(error) => reasons += &format!("\n  {error}"),
            }
        }
        Err(Error::model(&self.path, format!("no checkpoint to resume from{reasons}")))
    }

    /// Sets the pointer `best` from `state`: a process that was killed after writing a checkpoint may not have updated
    /// it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn repair_best(&self, state: &State) -> Result<()> {
        match &state.best {
            Some(best) if self.checkpoints().join(&best.name).is_dir() => {
                checkpoint::set_pointer(&self.checkpoints(), "best", &best.name)
            }
            _ => Ok(()),
        }
    }

    /// Whether all sample grids of the last finished epoch before `state` exist.
    pub fn has_sample_grids(&self, state: &State) -> bool {
        let kinds = ["sample", "reconstruction"];
        let there = |kind| self.pictures(kind, state.epoch - 1).iter().all(|path| path.is_file());
        state.step_in_epoch > 0 || state.epoch <= 1 || kinds.into_iter().all(there)
    }

    /// The two paths of an epoch's picture: in the run's folder and in the samples folder.
    pub fn pictures(&self, what: &str, epoch: u32) -> [PathBuf; 2] {
        let short = format!("{what}_epoch_{epoch:04}.png");
        [self.path.join("samples").join(&short), self.samples.join(format!("{}_{short}", self.name))]
    }
}
