//! The folder of a run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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

/// Holds a run against other processes until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
    /// Why there is no lock, where the file system has none.
    pub missing: Option<std::io::Error>,
}

/// Whether a file system has refused a lock because it has none, and not because another process has it: ENOSYS and
/// EOPNOTSUPP, ENOLCK of NFS without its lock service, EACCES of some clustered ones.
fn has_no_locks(error: &std::io::Error) -> bool {
    let no_service = if cfg!(target_os = "linux") { 37 } else { 77 };
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied)
        || cfg!(unix) && error.raw_os_error() == Some(no_service)
}

impl RunFolder {
    /// Takes the run for this process, and clears away what a killed one left half-written.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process has it, [`Error::Io`] if its folder cannot be written.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.path.join("lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("write", &path))?;
        match file.try_lock() {
            Ok(()) => {
                checkpoint::sweep(&self.checkpoints());
                Ok(Lock { _file: file, missing: None })
            }
            Err(fs::TryLockError::WouldBlock) => Err(Error::Usage(format!(
                "another process is training {}: wait for it, or choose another --name",
                crate::data::printable(&self.path)
            ))),
            // better to train than to refuse
            Err(fs::TryLockError::Error(error)) if has_no_locks(&error) => {
                Ok(Lock { _file: file, missing: Some(error) })
            }
            Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// An error if a run of this name has begun.
    ///
    /// # Errors
    /// [`Error::Usage`] with what to do instead.
    pub fn vacant(&self) -> Result<()> {
        if !self.begun() {
            return Ok(());
        }
        let path = crate::data::printable(&self.path);
        Err(Error::Usage(format!(
            "{path} is there already: continue it with --resume, or choose another --name"
        )))
    }

    /// Makes a new run's folders.
    ///
    /// # Errors
    /// [`Error::Usage`] if a run of that name is there already, [`Error::Io`] if it cannot be written.
    pub fn create(&self) -> Result<()> {
        self.vacant()?;
        for folder in [self.checkpoints(), self.path.join("samples"), self.samples.clone()] {
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        // a folder that can be made is not always one that can be written
        for folder in [&self.path, &self.samples] {
            tempfile::tempfile_in(folder).map_err(Error::io("write into", folder))?;
        }
        Ok(())
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

    /// A name that is not taken: `base`, `base-2`, `base-3`..
    pub fn free_name(runs: &Path, base: &str) -> String {
        let taken = |name: &str| runs.join(name).exists();
        let numbered = (2..).map(|n| format!("{base}-{n}"));
        std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
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

    /// Its checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The newest checkpoint that is whole; the broken ones before it come with their reasons.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none.
    pub fn newest_checkpoint(&self) -> Result<(PathBuf, checkpoint::Checkpoint, Vec<Error>)> {
        let checkpoint::Listing { whole: mut found, mut broken } = checkpoint::list(&self.checkpoints())?;
        while let Some((path, _)) = found.pop() {
            match checkpoint::load(&path) {
                Ok(checkpoint) => return Ok((path, checkpoint, broken)),
                Err(error) => broken.push(error),
            }
        }
        let reasons: String = broken.iter().map(|e| format!("\n  {e}")).collect();
        Err(Error::model(&self.path, format!("no checkpoint to resume from{reasons}")))
    }

    /// Points `best` to what `state` says: a process that was killed after writing a checkpoint may not have come
    /// to it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn mend(&self, state: &State) -> Result<()> {
        match &state.best {
            Some(best) if self.checkpoints().join(&best.name).is_dir() => {
                checkpoint::point(&self.checkpoints(), "best", &best.name)
            }
            _ => Ok(()),
        }
    }

    /// Whether the pictures of the last whole epoch of `state`, if there was one, are all there.
    pub fn drawn(&self, state: &State) -> bool {
        let kinds = ["sample", "reconstruction"];
        let there = |kind| self.pictures(kind, state.epoch - 1).iter().all(|path| path.is_file());
        state.cursor > 0 || state.epoch <= 1 || kinds.into_iter().all(there)
    }

    /// Where the pictures of an epoch go: the run's own folder and the samples folder.
    pub fn pictures(&self, what: &str, epoch: u32) -> [PathBuf; 2] {
        let short = format!("{what}_epoch_{epoch:04}.png");
        [self.path.join("samples").join(&short), self.samples.join(format!("{}_{short}", self.name))]
    }
}
