//! The pictures of one split, decoded once where memory allows.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Progress;
use super::source::{Fnv, Source};
use super::text::{Skipped, counted, first_few};
use crate::error::{Error, Result};

/// A [`Source`] at one size, without the pictures that cannot be read.
#[derive(Debug)]
pub struct Pictures {
    source: Source,
    size: u32,
    /// For each picture its number in the source and, within the budget, its pixels.
    kept: Vec<(u32, Option<Box<[u8]>>)>,
    skipped: Vec<Skipped>,
}

impl Pictures {
    /// Decodes every picture of `source` at `size` x `size`, in parallel, and keeps the first ones in memory
    /// until `budget_bytes` are spent (`size * size * 3` each); the others are decoded again at every
    /// [`Pictures::get`].
    ///
    /// All are decoded here even when few can be kept: which pictures a run sees must not depend on how much
    /// memory the machine has. `progress` hears of every picture.
    ///
    /// # Errors
    /// [`Error::Data`] when the source is empty, when no picture can be read, and when more than half cannot;
    /// it names the first few with their reasons.
    pub fn prepare(source: Source, size: u32, budget_bytes: u64, progress: Progress<'_>) -> Result<Self> {
        let total = source.len();
        let fitting =
            usize::try_from(budget_bytes / (u64::from(size).pow(2) * 3).max(1)).unwrap_or(usize::MAX);
        let done = AtomicUsize::new(0);
        let decoded: Vec<Result<Option<Box<[u8]>>, Skipped>> = (0..total)
            .into_par_iter()
            .map(|index| {
                let pixels = source.pixels(index, size);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                match pixels {
                    Ok(pixels) => Ok((index < fitting).then(|| pixels.into_boxed_slice())),
                    Err(reason) => Err(Skipped { path: source.path(index), reason }),
                }
            })
            .collect();
        let (mut kept, mut skipped) = (Vec::with_capacity(total), Vec::new());
        for (index, picture) in decoded.into_iter().enumerate() {
            match picture {
                Ok(pixels) => kept.push((index as u32, pixels)),
                Err(bad) => skipped.push(bad),
            }
        }
        if kept.is_empty() || skipped.len() > kept.len() {
            return Err(too_few(&source, &skipped));
        }
        Ok(Self { source, size, kept, skipped })
    }

    /// The number of pictures that could be read.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Never true: [`Pictures::prepare`] refuses an empty set.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Pixels a side.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The pictures that [`Pictures::prepare`] left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How many pictures are held in memory.
    pub fn cached(&self) -> usize {
        self.kept.iter().filter(|(_, pixels)| pixels.is_some()).count()
    }

    /// Picture `index` (below [`Pictures::len`]) as RGB8 `[size, size, 3]`.
    ///
    /// # Errors
    /// [`Error::Data`] when a picture outside the budget has become unreadable since it was first decoded.
    pub fn get(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        self.pixels(index).map_err(|Skipped { path, reason }| Error::data(path, reason))
    }

    /// A name to show, see [`Source::name`].
    pub fn name(&self, index: usize) -> String {
        self.source.name(self.kept[index].0 as usize)
    }

    /// The class, see [`Source::label`].
    pub fn label(&self, index: usize) -> u32 {
        self.source.label(self.kept[index].0 as usize)
    }

    /// The digest of the source, see [`Source::fingerprint`], with that of which pictures could be read.
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Fnv(self.source.fingerprint());
        for (index, _) in &self.kept {
            digest.add(&index.to_le_bytes());
        }
        digest.0
    }

    /// As [`Pictures::get`], with path and reason apart.
    pub(super) fn pixels(&self, index: usize) -> Result<Cow<'_, [u8]>, Skipped> {
        let (number, pixels) = &self.kept[index];
        let number = *number as usize;
        match pixels {
            Some(pixels) => Ok(Cow::Borrowed(pixels)),
            None => match self.source.pixels(number, self.size) {
                Ok(pixels) => Ok(Cow::Owned(pixels)),
                Err(reason) => Err(Skipped { path: self.source.path(number), reason }),
            },
        }
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
