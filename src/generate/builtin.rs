//! The trained model that ships with the program, for samples before any training of one's own.
//! `samples/README.md` has the commands that made it, and the licence of its photographs.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::cache_folder;
use crate::data::write_whole;
use crate::error::{Error, Result};

/// The name of the model on the command line.
pub const BUILTIN: &str = "builtin";

/// The files of the model: parameters and flow.
const FILES: [(&str, &[u8]); 2] = [
    (
        "flowers.safetensors",
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/flowers.safetensors")),
    ),
    (
        "flowers.flow.safetensors",
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/flowers.flow.safetensors")),
    ),
];

/// The path that `model` means: its own, or for [`BUILTIN`] that of the model that ships with the program, unless there is
/// a file or folder of that name. Its files are written to the user's cache folder.
///
/// # Errors
/// If there is no cache folder, or the files cannot be written.
pub fn resolved(model: PathBuf) -> Result<PathBuf> {
    if model.as_os_str() != OsStr::new(BUILTIN) || model.exists() {
        return Ok(model);
    }
    let Some(cache) = cache_folder() else {
        return Err(Error::Usage(format!("{BUILTIN}: this user has no cache folder; set WGVAE_CACHE_DIR")));
    };
    unpack(&cache.join(BUILTIN))
}

/// Whether `model` is the one that ships with the program.
pub fn is_builtin(model: &Path) -> bool {
    cache_folder().is_some_and(|cache| model == cache.join(BUILTIN).join(FILES[0].0))
}

/// Writes the files that `folder` does not have yet, and returns the path of the model.
fn unpack(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    for (name, bytes) in FILES {
        let path = folder.join(name);
        // another version of the program may have another model
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            continue;
        }
        write_whole(&path, |file| file.write_all(bytes))?;
    }
    Ok(folder.join(FILES[0].0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint;
    use crate::generate::{FittedFlow, flow_file};

    #[test]
    fn the_model_is_unpacked_with_its_flow_and_mended() {
        let folder = tempfile::tempdir().expect("folder");
        let path = unpack(folder.path()).expect("unpacked");
        let model = checkpoint::open(&path).expect("a model");
        let flow = flow_file::beside(&path).expect("a flow");
        let flow = FittedFlow::read(&flow, (&model.config, &model.weights)).expect("the model's flow");
        assert!(!flow.classes.is_empty());

        fs::write(&path, b"of another version").expect("written");
        assert_eq!(unpack(folder.path()).expect("unpacked"), path);
        assert!(checkpoint::open(&path).expect("a model").weights == model.weights);
    }
}
