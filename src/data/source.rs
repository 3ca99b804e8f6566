//! Picture sources: files of a folder, or the procedural landscapes.
//! Read this with [`super::location`] to add a third kind of source.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cache::{Identity, Stamp};
use super::colour::Reading;
use super::decode::{self, Failure};
use super::location::{Location, relative};
use super::scan::Item;
use super::synth;
use crate::error::{Error, Result};

/// A numbered list of pictures that can be loaded at any size.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files of a [`super::FolderIndex`].
    Folder {
        /// root of the dataset; names are relative to it
        root: PathBuf,
        /// items of one split
        items: Vec<Item>,
        /// the way from the files to square pixels
        how: Reading,
    },
    /// The landscapes `first..first + count` of `seed`, see [`synth::landscape`].
    Synthetic {
        /// seed of all landscapes
        seed: u64,
        /// number of the first landscape: keeps the splits disjoint
        first: u64,
        /// number of landscapes
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

    /// Whether there are no pictures.
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

    /// The place of picture `index`.
    pub fn location(&self, index: usize) -> Location {
        match self {
            Self::Folder { items, .. } => Location::File(items[index].path.clone()),
            Self::Synthetic { seed, first, .. } => {
                Location::Synthetic { seed: *seed, index: first + index as u64 }
            }
        }
    }

    /// The path of picture `index`, see [`Location::path`].
    pub fn path(&self, index: usize) -> PathBuf {
        self.location(index).path()
    }

    /// A display name of picture `index`: the path from the root with `/`, escaped, see [`super::printable`].
    pub fn name(&self, index: usize) -> String {
        match self {
            Self::Folder { root, items, .. } => {
                super::text::printable_text(&relative(root, &items[index].path))
            }
            Self::Synthetic { .. } => self.path(index).to_string_lossy().into_owned(),
        }
    }

    /// The class of picture `index`: an index in [`super::FolderIndex::classes`], or in [`synth::Biome::ALL`].
    pub fn label(&self, index: usize) -> u32 {
        match self {
            Self::Folder { items, .. } => items[index].label,
            Self::Synthetic { seed, first, .. } => synth::factors(*seed, first + index as u64).biome as u32,
        }
    }

    /// A 64-bit digest (FNV-1a) of the relative names and the file sizes, in order, and of the [`Reading`]. It tells
    /// whether a resumed run sees the data that it began with. It does not read pixels and does not depend on the
    /// folder's location. A missing file counts as size `u64::MAX`.
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Fnv::new();
        match self {
            Self::Folder { root, items, how } => {
                digest.add(how.to_string().as_bytes());
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

    /// As [`Source::load`], with the reason alone.
    pub(super) fn pixels(&self, index: usize, size: u32) -> Result<Vec<u8>, Failure> {
        let how = match self {
            Self::Folder { how, .. } => *how,
            Self::Synthetic { .. } => Reading::default(),
        };
        self.location(index).pixels(size, how)
    }

    /// The cache identity: all splits of a folder share one, so that another split of the folder finds its pictures.
    /// `None` if the folder's path is not valid text.
    pub(super) fn identity(&self, size: u32) -> Option<Identity> {
        let (origin, how, version) = match self {
            Self::Folder { root, how, .. } => {
                let root = root.canonicalize().ok()?;
                (root.to_str()?.to_owned(), how.to_string(), decode::VERSION)
            }
            Self::Synthetic { seed, .. } => (format!("seed {seed}"), "landscape".into(), synth::VERSION),
        };
        Some(Identity { origin, how, version, size })
    }

    /// The cache stamp of picture `index`; `None` if its name is not valid text or the file's metadata cannot be read.
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

    /// Whether `stamp`, possibly from another split, is still up to date.
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

/// The change time of a file's inode, in nanoseconds since 1970.
#[cfg(unix)]
fn ctime(meta: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec())
}

/// Not available on Windows through the standard library.
#[cfg(not(unix))]
fn ctime(_: &std::fs::Metadata) -> i64 {
    0
}

/// FNV-1a digest with 64 bits.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds `bytes` and their number, so that neighbouring fields cannot run together.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
