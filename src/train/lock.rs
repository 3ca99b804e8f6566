//! A run's folders and its lock: one process trains a run, whoever else tries.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::run::{METRICS, RunFolder, SETTINGS};
use crate::checkpoint;
use crate::error::{Error, Result};

/// Holds a run against other processes until it is dropped, or the process ends in whatever way. The folders of a run that
/// was made for it, and in which nothing has begun, go with it.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
    run: PathBuf,
    /// folders that were made for the run, in that order
    made: Vec<PathBuf>,
    /// Why there is no lock, where the file system has none.
    pub missing: Option<std::io::Error>,
}

impl Lock {
    /// Whether the run's folder was made for this lock.
    pub(super) fn is_new(&self) -> bool {
        self.made.contains(&self.run)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let begun = || [SETTINGS, METRICS].iter().any(|name| self.run.join(name).exists());
        if self.made.is_empty() || begun() {
            return;
        }
        let _ = fs::remove_file(self.run.join(LOCK));
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder); // only an empty one
        }
    }
}

/// Locked by the process that trains the run.
const LOCK: &str = "lock";

/// Makes `folder` and what it lies in; adds what was not there to `made`.
fn make(folder: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent, made)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_path_buf()),
        // another process has made it meanwhile
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(Error::io("create", folder)(error)),
    }
    Ok(())
}

impl RunFolder {
    /// Makes the run's folders, as far as they are not there, and takes it for this process.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process has it, [`Error::Io`] if it cannot be written.
    pub fn create(&self) -> Result<Lock> {
        let mut made = Vec::new();
        let all = self.folders().iter().try_for_each(|folder| make(folder, &mut made));
        // a folder that can be made is not always one that can be written
        let all = all.and_then(|()| {
            let writable = |folder| tempfile::tempfile_in(folder).map_err(Error::io("write into", folder));
            [&self.path, &self.samples].into_iter().try_for_each(|folder| writable(folder).map(drop))
        });
        let lock = all.and_then(|()| self.lock());
        match lock {
            Ok(mut lock) => {
                lock.made = made;
                Ok(lock)
            }
            // the other process has the folders now
            Err(error @ Error::Usage(_)) => Err(error),
            Err(error) => {
                made.iter().rev().for_each(|folder| _ = fs::remove_dir(folder));
                Err(error)
            }
        }
    }

    /// Takes the run for this process, and clears away what a killed one left half-written.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process has it, [`Error::Io`] if its folder cannot be written.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.path.join(LOCK);
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("write", &path))?;
        let missing = match file.try_lock() {
            // ENOSYS and EOPNOTSUPP, ENOLCK of NFS without its lock service, EACCES and EIO of some clustered and remote
            // ones: better to train than to refuse
            Err(fs::TryLockError::Error(error)) => Some(error),
            // the process that had it has removed the file meanwhile
            Ok(()) if !path.exists() => return Err(self.taken()),
            Ok(()) => None,
            Err(fs::TryLockError::WouldBlock) => return Err(self.taken()),
        };
        if missing.is_none() {
            checkpoint::remove_partial(&self.checkpoints());
        }
        Ok(Lock { _file: file, run: self.path.clone(), made: Vec::new(), missing })
    }

    fn taken(&self) -> Error {
        Error::Usage(format!(
            "another process is training {}: wait for it, or choose another --name",
            crate::data::printable(&self.path)
        ))
    }
}
