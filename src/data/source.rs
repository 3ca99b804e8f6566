//! Where pictures come from: files, or the procedural landscapes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cache::{Identity, Stamp};
use super::decode::{self, Failure, load_file};
use super::resize::Resize;
use super::scan::Item;
use super::synth;
use crate::error::{Error, Result};

/// A numbered list of pictures that can be made at any size.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files of a [`super::FolderIndex`].
    Folder {
        /// The data set's root: names are given from here.
        root: PathBuf,
        /// One of its splits.
        items: Vec<Item>,
        /// How a picture becomes square.
        resize: Resize,
    },
    /// The landscapes `first..first + count` of `seed`, see [`synth::landscape`].
    Synthetic {
        /// The seed of all landscapes.
        seed: u64,
        /// The number of the first landscape: keeps the splits apart.
        first: u64,
        /// How many.
        count: usize,
    },
}

impl Source {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        match self {
            Self::Folder { items, .. } => items.len(),
            Self::Synthetic { count, .. } => *count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Picture `index` as RGB8 `[size, size, 3]`.
    ///
    /// # Errors
    /// [`Error::Data`] with the file's path, see [`super::decode()`].
    pub fn load(&self, index: usize, size: u32) -> Result<Vec<u8>> {
        self.pixels(index, size).map_err(|failure| Error::data(self.path(index), failure.reason()))
    }

    /// Where picture `index` lies: the file, or a made-up name for a procedural one.
    pub fn path(&self, index: usize) -> PathBuf {
        match self {
            Self::Folder { items, .. } => items[index].path.clone(),
            Self::Synthetic { .. } => PathBuf::from(self.name(index)),
        }
    }

    /// A name to show for picture `index`: the path from the root with `/`, escaped, see [`super::printable`].
    pub fn name(&self, index: usize) -> String {
        match self {
            Self::Folder { root, items, .. } => {
                super::text::printable_text(&relative(root, &items[index].path))
            }
            Self::Synthetic { seed, first, .. } => format!("landscape {seed}/{}", first + index as u64),
        }
    }

    /// The class of picture `index`: an index in [`super::FolderIndex::classes`], or in [`synth::Biome::ALL`].
    pub fn label(&self, index: usize) -> u32 {
        match self {
            Self::Folder { items, .. } => items[index].label,
            Self::Synthetic { seed, first, .. } => synth::factors(*seed, first + index as u64).biome as u32,
        }
    }

    /// A 64-bit digest (FNV-1a) of the relative names and the file sizes, in order, and of how pictures are
    /// made square. It tells whether a resumed run sees the data that it began with; it does not read pixels,
    /// and does not depend on where the folder lies. A file that is missing counts as size `u64::MAX`.
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Fnv::new();
        match self {
            Self::Folder { root, items, resize } => {
                digest.add(resize.to_string().as_bytes());
                for item in items {
                    digest.add(relative(root, &item.path).as_bytes());
                    let size = std::fs::metadata(&item.path).map_or(u64::MAX, |meta| meta.len());
                    digest.add(&size.to_le_bytes());
                }
            }
            Self::Synthetic { seed, first, count } => {
                digest.add(b"synthetic");
                for number in [u64::from(synth::VERSION), *seed, *first, *count as u64] {
                    digest.add(&number.to_le_bytes());
                }
            }
        }
        digest.0
    }

    /// As [`Source::load`], with the bare reason.
    pub(super) fn pixels(&self, index: usize, size: u32) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Folder { items, resize, .. } => load_file(&items[index].path, size, *resize),
            Self::Synthetic { seed, first, .. } => Ok(synth::landscape(*seed, first + index as u64, size).0),
        }
    }

    /// Which pictures lie together in the cache: all splits of a folder, so that another split of the same
    /// pictures finds them. `None` where the folder's path is no text.
    pub(super) fn identity(&self, size: u32) -> Option<Identity> {
        let (origin, how, version) = match self {
            Self::Folder { root, resize, .. } => {
                let root = root.canonicalize().ok()?;
                (root.to_str()?.to_owned(), resize.to_string(), decode::VERSION)
            }
            Self::Synthetic { seed, .. } => (format!("seed {seed}"), "landscape".into(), synth::VERSION),
        };
        Some(Identity { origin, how, version, size })
    }

    /// What picture `index` is cached under; `None` where its name is no text or the file cannot be seen.
    pub(super) fn stamp(&self, index: usize) -> Option<Stamp> {
        match self {
            Self::Folder { root, items, .. } => {
                let path = &items[index].path;
                stamp_of(path, path.strip_prefix(root).ok()?.to_str()?)
            }
            Self::Synthetic { first, .. } => {
                Some(Stamp { name: (first + index as u64).to_string(), bytes: 0, mtime: 0, ctime: 0 })
            }
        }
    }

    /// Whether `stamp`, perhaps of another split, is still that of its picture.
    pub(super) fn is_current(&self, stamp: &Stamp) -> bool {
        match self {
            Self::Folder { root, .. } => {
                stamp_of(&root.join(&stamp.name), &stamp.name).as_ref() == Some(stamp)
            }
            Self::Synthetic { .. } => true,
        }
    }
}

fn stamp_of(path: &Path, name: &str) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    let mtime = match meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_nanos()).ok()?,
    };
    Some(Stamp { name: name.to_owned(), bytes: meta.len(), mtime, ctime: ctime(&meta) })
}

/// When anything of a file was last changed, in nanoseconds since 1970.
#[cfg(unix)]
fn ctime(meta: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec())
}

/// Windows does not tell through the standard library.
#[cfg(not(unix))]
fn ctime(_: &std::fs::Metadata) -> i64 {
    0
}

/// `path` from `root`, parts joined by `/` on every platform.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// FNV-1a with 64 bits.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds `bytes` and their number, so that neighbours cannot run into each other.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
