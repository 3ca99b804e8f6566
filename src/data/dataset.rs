//! The pictures of one split, decoded once if memory or the cache has room for them.
//! Read this to see how a training gets its pixels and which pictures count as readable.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Progress;
use super::cache::Cache;
use super::decode::Failure;
use super::prepare::{Memory, Place, Preparation, Prepared, Seen};
use super::scan::{Item, too_many_damaged};
use super::source::{Fnv, Source};
use super::text::{Skipped, counted, first_few};
use crate::error::{Error, Result};

/// A [`Source`] at one size, without the unreadable pictures.
#[derive(Debug)]
pub struct Dataset {
    source: Source,
    size: u32,
    /// Number in the source of each readable picture, and the location of its pixels.
    kept: Vec<(u32, Place)>,
    skipped: Vec<Skipped>,
    prepared: Prepared,
}

impl Dataset {
    /// Decodes every picture of `source` at `size` x `size`, in parallel, and keeps the first ones in `memory` until
    /// its bytes are used up (`size * size * 3` each). The others are decoded again at every [`Dataset::get`].
    ///
    /// All pictures are decoded here even if few can be kept: the pictures that a run uses must not depend on the
    /// memory of the machine. `progress` is called for every picture.
    ///
    /// # Errors
    /// [`Error::Data`] if the source is empty, if no picture can be read, or if more than half cannot; it names the
    /// first few with their reasons.
    pub fn prepare(
        source: Source,
        size: u32,
        memory: impl Into<Memory>,
        progress: Progress<'_>,
    ) -> Result<Self> {
        Self::prepare_cached(source, size, memory, None, progress)
    }

    /// As [`Dataset::prepare`], with identical pictures and pixels, but pictures in `cache` are not decoded, missing
    /// ones are added to it, and pictures that are not in memory are read from it. [`Dataset::prepared`] reports the
    /// outcome.
    ///
    /// # Errors
    /// As [`Dataset::prepare`]. A cache that is damaged or not writable is ignored.
    pub fn prepare_cached(
        source: Source,
        size: u32,
        memory: impl Into<Memory>,
        cache: Option<&Cache>,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let pictures = Self::prepare_any(source, size, memory.into(), cache, progress, None);
        if pictures.kept.is_empty() || too_many_damaged(pictures.kept.len(), pictures.skipped.len()) {
            return Err(too_few(&pictures.source, &pictures.skipped));
        }
        Ok(pictures)
    }

    /// As [`Dataset::prepare_cached`], without a minimum of readable pictures; `seen` receives the pixels that are
    /// available anyway.
    pub(super) fn prepare_any(
        source: Source,
        size: u32,
        memory: Memory,
        cache: Option<&Cache>,
        progress: Progress<'_>,
        seen: Option<Seen<'_>>,
    ) -> Self {
        let (pictures, prepared) = Preparation::new(&source, size, memory, cache, progress, seen).run();
        let (mut kept, mut skipped) = (Vec::with_capacity(pictures.len()), Vec::new());
        for (index, picture) in pictures.into_iter().enumerate() {
            match picture {
                Ok(place) => kept.push((index as u32, place)),
                Err(reason) => skipped.push(Skipped { path: source.path(index), reason }),
            }
        }
        Self { source, size, kept, skipped, prepared }
    }

    /// For each picture of the source, whether it can be read.
    pub(super) fn readable(&self) -> Vec<bool> {
        let mut readable = vec![false; self.source.len()];
        self.kept.iter().for_each(|(number, _)| readable[*number as usize] = true);
        readable
    }

    /// Pixels of picture `number` of the source, which must be readable.
    pub(super) fn at_number(&self, number: usize) -> Result<Cow<'_, [u8]>, Skipped> {
        // the numbers are ascending
        let index = self.kept.partition_point(|(kept, _)| (*kept as usize) < number);
        self.pixels(index)
    }

    /// Splits the set by several lists of files, each of them part of the source.
    pub(super) fn part(self, lists: &[&[Item]]) -> Vec<Self> {
        let Source::Folder { root, items, how } = &self.source else { return vec![self] };
        let number: HashMap<&Path, u32> =
            items.iter().zip(0..).map(|(item, number)| (item.path.as_path(), number)).collect();
        let mut places: HashMap<u32, Place> = self.kept.into_iter().collect();
        let mut reasons: HashMap<&Path, &Skipped> =
            self.skipped.iter().map(|skipped| (skipped.path.as_path(), skipped)).collect();
        let mut prepared = Some(self.prepared);
        let part = |list: &&[Item]| {
            let (mut kept, mut skipped) = (Vec::new(), Vec::new());
            for (item, index) in list.iter().zip(0..) {
                let place = number.get(item.path.as_path()).and_then(|number| places.remove(number));
                match place {
                    Some(place) => kept.push((index, place)),
                    None => skipped.extend(reasons.remove(item.path.as_path()).cloned()),
                }
            }
            let source = Source::Folder { root: root.clone(), items: list.to_vec(), how: *how };
            // the work was done once for all parts, so the first part reports it
            Self { source, size: self.size, kept, skipped, prepared: prepared.take().unwrap_or_default() }
        };
        lists.iter().map(part).collect()
    }

    /// The number of readable pictures.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Always false: [`Dataset::prepare`] refuses an empty set.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Pixels a side.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The pictures that [`Dataset::prepare`] skipped.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The number of pictures held in memory.
    pub fn in_memory(&self) -> usize {
        self.kept.iter().filter(|(_, place)| matches!(place, Place::Memory(_))).count()
    }

    /// The number of pictures that are neither in memory nor cached: each [`Dataset::get`] decodes them.
    pub fn decoded_each_time(&self) -> usize {
        self.kept.iter().filter(|(_, place)| matches!(place, Place::Source)).count()
    }

    /// A summary of the preparation's work.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Picture `index` (below [`Dataset::len`]) as RGB8 `[size, size, 3]`.
    ///
    /// # Errors
    /// [`Error::Data`] if a picture that is neither in memory nor in the cache has become unreadable since it was first
    /// decoded.
    pub fn get(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        self.pixels(index).map_err(|Skipped { path, reason }| Error::data(path, reason))
    }

    /// A name for display, see [`Source::name`].
    pub fn name(&self, index: usize) -> String {
        self.source.name(self.kept[index].0 as usize)
    }

    /// The class, see [`Source::label`].
    pub fn label(&self, index: usize) -> u32 {
        self.source.label(self.kept[index].0 as usize)
    }

    /// A digest of the source, see [`Source::fingerprint`], and of which pictures could be read.
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Fnv(self.source.fingerprint());
        for (index, _) in &self.kept {
            digest.add(&index.to_le_bytes());
        }
        digest.0
    }

    /// The fingerprint in hexadecimal digits, the form used in checkpoints.
    pub fn digest(&self) -> String {
        format!("{:016x}", self.fingerprint())
    }

    /// As [`Dataset::get`], with path and reason as separate fields.
    pub(super) fn pixels(&self, index: usize) -> Result<Cow<'_, [u8]>, Skipped> {
        let (number, place) = &self.kept[index];
        let number = *number as usize;
        match place {
            Place::Memory(pixels) => return Ok(Cow::Borrowed(pixels)),
            Place::Cache(row) => match row.read() {
                Ok(pixels) => return Ok(Cow::Owned(pixels)),
                Err(error) if error.kind() == ErrorKind::InvalidData => row.discard(),
                Err(_) => {}
            },
            Place::Source => {}
        }
        let failed = |failure: Failure| Skipped { path: self.source.path(number), reason: failure.reason() };
        self.source.pixels(number, self.size).map(Cow::Owned).map_err(failed)
    }
}

fn too_few(source: &Source, skipped: &[Skipped]) -> Error {
    let root = match source {
        Source::Folder { root, .. } => root.clone(),
        Source::Synthetic { .. } => PathBuf::from("landscapes"),
    };
    if skipped.is_empty() {
        return Error::data(root, "there are no pictures in this split");
    }
    let all = counted(source.len(), "picture");
    let listed = first_few(&skipped.iter().collect::<Vec<_>>());
    Error::data(root, format!("{} of {all} cannot be read:{listed}", skipped.len()))
}
