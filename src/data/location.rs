//! The place of one picture: a file, or a built-in landscape.
//! Read this to add a third kind of place, such as an entry of an archive.

use std::path::{Path, PathBuf};

use super::colour::Reading;
use super::decode::{Failure, load_file};
use super::synth;

/// The place of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// path of a file
    File(PathBuf),
    /// a built-in landscape, drawn when it is read
    Synthetic {
        /// seed of all landscapes
        seed: u64,
        /// number of the landscape
        index: u64,
    },
}

impl Location {
    /// The path of the file, or a made-up name for a landscape.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Synthetic { seed, index } => format!("landscape {seed}/{index}").into(),
        }
    }

    /// The picture as RGB8 `[size, size, 3]`; a landscape is drawn at this size.
    ///
    /// # Errors
    /// As [`super::decode()`].
    pub fn load(&self, size: u32, how: impl Into<Reading>) -> Result<Vec<u8>, String> {
        self.pixels(size, how.into()).map_err(Failure::reason)
    }

    /// As [`Location::load`], with the kind of failure.
    pub(super) fn pixels(&self, size: u32, how: Reading) -> Result<Vec<u8>, Failure> {
        match self {
            Self::File(path) => load_file(path, size, how),
            Self::Synthetic { seed, index } => Ok(synth::landscape(*seed, *index, size).0),
        }
    }
}

/// `path` relative to `root`, parts joined by `/` on every platform.
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
