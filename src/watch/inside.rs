//! Files of a run, and no others: a link may lead anywhere, and a pipe may never end.
//! Read this before opening a file of a run's folder.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The regular file `name` in `folder`, whose path has no links, with its data.
fn found(folder: &Path, name: &str) -> Result<(PathBuf, Metadata), String> {
    let cannot = |error: std::io::Error| format!("{name} cannot be read: {error}");
    let path = folder.join(name);
    let real = path.canonicalize().map_err(cannot)?;
    if !real.starts_with(folder) {
        return Err(format!("{name} is a link out of the run's folder, and was not read"));
    }
    let about = real.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Err(format!("{name} is not a file"));
    }
    Ok((real, about))
}

/// Size and times of the file `name` in `folder`, whose path has no links.
pub(super) fn metadata(folder: &Path, name: &str) -> Result<Metadata, String> {
    Ok(found(folder, name)?.1)
}

/// Opens the file `name` in `folder`, whose path has no links.
pub(super) fn open(folder: &Path, name: &str) -> Result<File, String> {
    let (path, _) = found(folder, name)?;
    File::open(path).map_err(|error| format!("{name} cannot be read: {error}"))
}

/// The bytes of a file of at most `most` bytes.
pub(super) fn read(folder: &Path, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let too_large = || format!("{name} is larger than {most} bytes, and was not read");
    if metadata(folder, name)?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let read = open(folder, name)?.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{name} cannot be read: {error}"))?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_out_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().canonicalize().expect("a path");
        let run = root.join("run");
        std::fs::create_dir_all(run.join("samples")).expect("folder");
        std::fs::write(root.join("secret"), "secret").expect("written");
        std::fs::write(run.join("own"), "own").expect("written");
        symlink(root.join("secret"), run.join("out")).expect("a link");
        symlink("../secret", run.join("up")).expect("a link");
        symlink("own", run.join("in")).expect("a link");
        symlink(&root, run.join("folder")).expect("a link");
        assert_eq!(read(&run, "own", 3), Ok(b"own".to_vec()));
        assert_eq!(read(&run, "in", 3), Ok(b"own".to_vec()));
        for name in ["out", "up", "folder/secret", "../secret"] {
            assert!(read(&run, name, 9).is_err_and(|reason| reason.contains("link out of")), "{name}");
        }
        assert!(read(&run, "samples", 9).is_err_and(|reason| reason.contains("not a file")));
        assert!(read(&run, "own", 2).is_err_and(|reason| reason.contains("larger than 2 bytes")));
        assert!(read(&run, "/dev/zero", 9).is_err() && read(&run, "gone", 9).is_err());
    }
}
