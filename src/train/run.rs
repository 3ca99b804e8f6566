//! The folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use super::Lock;
use crate::checkpoint::{self, State};
use crate::error::{Error, Result};

/// `runs/NAME`, and where its pictures go besides.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// its name
    pub name: String,
    /// `runs/NAME`
    pub path: PathBuf,
    /// where pictures go besides the run's own folder
    pub samples: PathBuf,
}

/// The settings of a run, in its folder: with them it has begun.
pub const SETTINGS: &str = "config.toml";
/// A line for every step and epoch, in the run's folder.
pub const METRICS: &str = "metrics.jsonl";

impl RunFolder {
    /// Makes a new run's folder and takes it for this process: the one called `name`, or where nobody gave one, the first of
    /// `base`, `base-2`, `base-3` that is free.
    ///
    /// # Errors
    /// [`Error::Usage`] if the run of that name has begun or another process has it, [`Error::Io`] if it cannot be written.
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
                // left by a process that was killed before it began, if a lock can tell
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

    /// An error if a run of this name has begun.
    ///
    /// # Errors
    /// [`Error::Usage`] with what to do instead.
    pub fn ensure_new(&self) -> Result<()> {
        if !self.begun() {
            return Ok(());
        }
        let path = crate::data::printable(&self.path);
        Err(Error::Usage(format!(
            "{path} is there already: continue it with --resume, or choose another --name"
        )))
    }

    /// The folder of a run that is there, or will be.
    ///
    /// # Errors
    /// [`Error::Usage`] if the name is not a folder's name.
    pub fn open(runs: &Path, name: &str, samples: &Path) -> Result<Self> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if !plain {
            return Err(Error::Usage(format!("--name {name:?}: must be a folder's name, without slashes")));
        }
        Ok(Self { name: name.to_owned(), path: runs.join(name), samples: samples.to_path_buf() })
    }

    /// The run in `runs` that was written to last.
    pub fn newest(runs: &Path) -> Option<String> {
        let changed = |entry: &fs::DirEntry| {
            let last = entry.path().join("checkpoints").join("last");
            fs::metadata(last).and_then(|m| m.modified()).ok()
        };
        let entries = fs::read_dir(runs).ok()?.filter_map(std::result::Result::ok);
        let newest = entries.filter_map(|e| Some((changed(&e)?, e))).max_by_key(|(time, _)| *time);
        newest.map(|(_, entry)| entry.file_name().to_string_lossy().into_owned())
    }

    /// Whether it has a checkpoint: a run that ended before its first one may be begun again.
    fn begun(&self) -> bool {
        let entries =
            fs::read_dir(self.checkpoints()).into_iter().flatten().filter_map(std::result::Result::ok);
        entries.into_iter().any(|e| e.path().is_dir() && !e.file_name().to_string_lossy().starts_with('.'))
    }

    /// The folders that a run has: its own, those within it, and that of its pictures.
    pub fn folders(&self) -> [PathBuf; 4] {
        [self.path.clone(), self.checkpoints(), self.path.join("samples"), self.samples.clone()]
    }

    /// Its checkpoints.
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

    /// Points `best` to what `state` says: a process that was killed after writing a checkpoint may not have come
    /// to it.
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

    /// Whether the pictures of the last whole epoch of `state`, if there was one, are all there.
    pub fn has_sample_grids(&self, state: &State) -> bool {
        let kinds = ["sample", "reconstruction"];
        let there = |kind| self.pictures(kind, state.epoch - 1).iter().all(|path| path.is_file());
        state.step_in_epoch > 0 || state.epoch <= 1 || kinds.into_iter().all(there)
    }

    /// Where the pictures of an epoch go: the run's own folder and the samples folder.
    pub fn pictures(&self, what: &str, epoch: u32) -> [PathBuf; 2] {
        let short = format!("{what}_epoch_{epoch:04}.png");
        [self.path.join("samples").join(&short), self.samples.join(format!("{}_{short}", self.name))]
    }
}
