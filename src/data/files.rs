//! Atomic writes of regular files.
//! Every file that is written to disk as a whole goes through `write_whole`.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Maximum number of links followed, as in operating systems.
const MAX_LINKS: usize = 40;

/// The folder that contains a file, `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The regular file that writing to `path` would create or replace; links are followed.
///
/// # Errors
/// If it is a folder, a device, a pipe or a socket, or if the links form a cycle.
pub fn file_meant(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => path = folder_of(&path).join(fs::read_link(&path)?),
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other(format!("it is {}, and no file", kind_of(&found))));
            }
            Ok(_) => return Ok(path),
            // a missing file is fine here; writing reports a missing folder
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its links lead round in a circle"))
}

fn kind_of(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if found.is_dir() { "a folder" } else { "something else" }
}

/// Waits until a file's bytes are on the disk, if the file system supports that.
///
/// # Errors
/// If they could not be written.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // EINVAL, ENOSYS, EOPNOTSUPP: not supported here
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

/// Writes `path` completely or not at all; its folder must exist. A link is followed. Only a regular file is ever
/// replaced, and its permissions are kept.
///
/// # Errors
/// [`Error::Io`] if it cannot be written; the previous content stays.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let write = || {
        let path = file_meant(path)?;
        // created as an ordinary file: a temporary one would be readable by its owner alone
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".part");
        let (file, at) = builder.make_in(folder_of(&path), |at| File::create_new(at))?.into_parts();
        if let Ok(before) = fs::metadata(&path) {
            let _ = file.set_permissions(before.permissions()); // not every file system has them
        }
        let mut buffer = BufWriter::new(file);
        fill(&mut buffer)?;
        sync(&buffer.into_inner()?)?;
        at.persist(&path)?;
        Ok(())
    };
    write().map_err(Error::io("write", path))
}
