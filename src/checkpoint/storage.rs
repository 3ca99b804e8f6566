//! Differences between file systems: folders that cannot be renamed, files that cannot be synced.
//! Read this if checkpoints fail on a remote or layered file system.
//!
//! Object stores mounted as file systems (s3fs, gcsfuse), and layered or clustered file systems may lack one or the
//! other. Training works with either.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use super::{MODEL, OPTIMIZER, STATE};
use crate::data::sync;
use crate::error::{Error, Result};

/// Makes a rename within `folder` durable, if the system supports it.
pub(super) fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all(); // not supported on Windows
    }
}

/// Renames the checkpoint folder `from` to `to`, replacing an existing one. If the file system cannot rename folders,
/// the files are moved one by one.
///
/// # Errors
/// If neither is possible; the previous content stays if the file system can rename folders.
pub(super) fn replace(from: &Path, to: &Path) -> Result<()> {
    match rename(from, to) {
        Ok(()) => Ok(()),
        // on a full disk the existing checkpoint must stay intact
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Err(Error::io("write", to)(error))
        }
        Err(_) => move_files(from, to).map_err(Error::io("write", to)),
    }
}

/// Renames `from` to `to`, moving an existing folder aside first.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    let aside = to.with_extension("old");
    if to.exists() {
        let _ = fs::remove_dir_all(&aside); // left by an interrupted replacement, if it exists
        fs::rename(to, &aside)?;
    }
    if let Err(error) = fs::rename(from, to) {
        let _ = fs::rename(&aside, to); // restores the previous folder
        return Err(error);
    }
    let _ = fs::remove_dir_all(&aside); // usually does not exist
    Ok(())
}

/// Moves a checkpoint's files, state.json last: without it a checkpoint is ignored, so a killed process leaves no
/// broken one.
fn move_files(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    match fs::remove_file(to.join(STATE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for name in [MODEL, OPTIMIZER, STATE] {
        let (from, to) = (from.join(name), to.join(name));
        if fs::rename(&from, &to).is_err() {
            fs::copy(&from, &to)?;
            sync(&File::options().write(true).open(&to)?)?;
        }
    }
    sync_folder(to);
    let _ = fs::remove_dir_all(from); // at most copies are left
    Ok(())
}

/// Whether folders within `folder` can be renamed; if not, the reason.
///
/// # Errors
/// If the folder is not writable.
pub fn renames_folders(folder: &Path) -> Result<std::result::Result<(), std::io::Error>> {
    let made = tempfile::Builder::new().prefix(".probe.").tempdir_in(folder);
    let made = made.map_err(Error::io("write into", folder))?;
    let renamed = made.path().with_extension("renamed");
    match fs::rename(made.path(), &renamed) {
        Ok(()) => {
            let _ = fs::remove_dir(&renamed); // an empty folder
            let _ = made.keep(); // renamed, so there is nothing left to remove
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    }
}
