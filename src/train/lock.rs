//! The lock of a run: only one process trains it at a time.
//! Read this for concurrent trainings and for file systems without locks.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::run::{METRICS, RunFolder, SETTINGS};
use crate::checkpoint;
use crate::error::{Error, Result};

/// Holds the lock of a run until it is dropped or the process ends. If the run's folders were created for it and are
/// still empty, dropping removes them.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
    run: PathBuf,
    /// folders created for the run, in this order
    made: Vec<PathBuf>,
    /// reason why there is no lock, if the file system does not support locks
    pub missing: Option<std::io::Error>,
}

impl Lock {
    /// Whether the run's folder was created for this lock.
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
            let _ = fs::remove_dir(folder); // removes only an empty folder
        }
    }
}

/// File locked by the process that trains the run.
const LOCK: &str = "lock";

/// Tries again for a moment if a lock is held: [`RunFolder::is_training`] holds it while it looks.
fn patient(mut lock: impl FnMut() -> Result<(), fs::TryLockError>) -> Result<(), fs::TryLockError> {
    for _ in 0..4 {
        match lock() {
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    lock()
}

/// Creates `folder` and its parents; adds those that were missing to `made`.
fn make(folder: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent, made)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_path_buf()),
        // another process has created it in the meantime
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(Error::io("create", folder)(error)),
    }
    Ok(())
}

impl RunFolder {
    /// Creates the run's missing folders and locks the run for this process.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process holds the lock, [`Error::Io`] if a folder is not writable.
    pub fn create(&self) -> Result<Lock> {
        let mut made = Vec::new();
        let all = self.folders().iter().try_for_each(|folder| make(folder, &mut made));
        // a folder that can be created is not always writable
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
            // the folders belong to the other process now
            Err(error @ Error::Usage(_)) => Err(error),
            Err(error) => {
                made.iter().rev().for_each(|folder| _ = fs::remove_dir(folder));
                Err(error)
            }
        }
    }

    /// Locks the run for this process, and removes files that a killed process left half-written.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process holds the lock, [`Error::Io`] if the folder is not writable.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.path.join(LOCK);
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("write", &path))?;
        let missing = match patient(|| file.try_lock()) {
            // ENOSYS and EOPNOTSUPP, ENOLCK of NFS without its lock service, EACCES and EIO of some clustered and
            // remote file systems: train without a lock
            Err(fs::TryLockError::Error(error)) => Some(error),
            // the previous holder has removed the file in the meantime
            Ok(()) if !path.exists() => return Err(self.taken()),
            Ok(()) => None,
            Err(fs::TryLockError::WouldBlock) => return Err(self.taken()),
        };
        if missing.is_none() {
            checkpoint::remove_partial(&self.checkpoints());
        }
        Ok(Lock { _file: file, run: self.path.clone(), made: Vec::new(), missing })
    }

    /// Whether a process holds the lock of the run. Nothing is created or changed.
    pub fn is_training(&self) -> bool {
        let file = fs::OpenOptions::new().read(true).open(self.path.join(LOCK));
        // the lock that this gets is released at once
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// The error of a run whose lock another process holds.
    pub fn taken(&self) -> Error {
        Error::Usage(format!(
            "another process is training {}: wait for it, or choose another --name",
            crate::data::printable(&self.path)
        ))
    }
}
