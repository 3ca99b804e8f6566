//! What file systems differ in: folders that cannot be renamed, files that cannot be synced.
//!
//! Object stores behind a file system (s3fs, gcsfuse), layered and clustered file systems lack one or the other. A training
//! works with what there is.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use super::{MODEL, OPTIMIZER, STATE};
use crate::data::sync;
use crate::error::{Error, Result};

/// Makes a rename within `folder` durable, where the system can do that.
pub(super) fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all(); // not on Windows
    }
}

/// Makes the checkpoint folder `from` the folder `to`, replacing one of that name: by a rename, or where the file system
/// renames no folders, file by file.
///
/// # Errors
/// If neither can be done; what was there before stays where the file system renames folders.
pub(super) fn replace(from: &Path, to: &Path) -> Result<()> {
    match rename(from, to) {
        Ok(()) => Ok(()),
        // a full disk is no reason to break what is there
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Err(Error::io("write", to)(error))
        }
        Err(_) => move_files(from, to).map_err(Error::io("write", to)),
    }
}

/// Renames `from` to `to`, moving aside a folder that is there already.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    let aside = to.with_extension("old");
    if to.exists() {
        let _ = fs::remove_dir_all(&aside); // left by an interrupted replacement, if at all
        fs::rename(to, &aside)?;
    }
    if let Err(error) = fs::rename(from, to) {
        let _ = fs::rename(&aside, to); // what was there before comes back
        return Err(error);
    }
    let _ = fs::remove_dir_all(&aside); // usually not there
    Ok(())
}

/// Moves a checkpoint's files, state.json last: a checkpoint without it, of a process that was killed meanwhile, is passed
/// over.
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
    let _ = fs::remove_dir_all(from); // copies at most
    Ok(())
}

/// Whether folders within `folder` can be renamed; else why not.
///
/// # Errors
/// If nothing can be written there.
pub fn renames_folders(folder: &Path) -> Result<std::result::Result<(), std::io::Error>> {
    let made = tempfile::Builder::new().prefix(".probe.").tempdir_in(folder);
    let made = made.map_err(Error::io("write into", folder))?;
    let renamed = made.path().with_extension("renamed");
    match fs::rename(made.path(), &renamed) {
        Ok(()) => {
            let _ = fs::remove_dir(&renamed); // it is empty
            let _ = made.keep(); // it has another name now, so there is nothing left to remove
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    }
}
