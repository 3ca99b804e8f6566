//! Decoding of a scanned folder and its division into splits.
//! Read this to see how the validation split is drawn.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::Progress;
use super::cache::Cache;
use super::colour::Reading;
use super::dataset::Dataset;
use super::near_duplicates::Signature;
use super::prepare::Memory;
use super::scan::{FolderIndex, Item, too_many_damaged};
use super::source::Source;
use super::text::{Skipped, counted, first_few};
use crate::error::{Error, Result};

/// The pictures of a folder, decoded and divided.
#[derive(Debug)]
pub struct Divided {
    /// Folder index, with the splits as they are trained on.
    pub dataset: FolderIndex,
    /// Pictures to train on.
    pub train: Dataset,
    /// Validation pictures, if there are any.
    pub validation: Option<Dataset>,
    /// Files found unreadable by decoding; those found by the scan are in `dataset`.
    pub skipped: Vec<Skipped>,
}

/// Decodes the training and validation pictures of `dataset` at `size` x `size` as [`Dataset::prepare_cached`] does,
/// and draws a split if the folder has none. Only readable pictures are drawn, and near-duplicates stay in one split.
///
/// The limit on unreadable files applies to all pictures together.
///
/// # Errors
/// [`Error::Data`] if no training picture can be read, or if more than half of all are damaged.
pub fn prepare_folder(
    mut dataset: FolderIndex,
    (size, how): (u32, Reading),
    memory: impl Into<Memory>,
    cache: Option<&Cache>,
    progress: Progress<'_>,
) -> Result<Divided> {
    let items: Vec<Item> = dataset.items().take(dataset.decoded()).cloned().collect();
    let source = Source::Folder { root: dataset.root.clone(), items, how };
    let signatures: Vec<OnceLock<Signature>> = (0..source.len()).map(|_| OnceLock::new()).collect();
    let seen = |number: usize, pixels: &[u8]| {
        let _ = signatures[number].set(Signature::of(pixels, size, size));
    };
    let compares = dataset.is_compared();
    let seen: Option<super::prepare::Seen<'_>> = if compares { Some(&seen) } else { None };
    let pictures = Dataset::prepare_any(source, size, memory.into(), cache, progress, seen);
    let skipped = pictures.skipped().to_vec();
    refuse_damaged(&dataset, pictures.len(), &skipped)?;
    dataset.replace_validation(&pictures.readable());
    let signatures = if compares { signatures_of(&pictures, signatures) } else { Vec::new() };
    if dataset.is_drawn() {
        dataset.draw(&signatures);
    } else {
        dataset.tell_repeated(&signatures);
    }
    let [train, validation] = [&dataset.train, &dataset.validation].map(Vec::as_slice);
    let mut parts = pictures.part(&[train, validation]).into_iter();
    let (train, validation) = (parts.next(), parts.next());
    let train = train.filter(|train| !train.is_empty()).ok_or_else(|| {
        let reason =
            format!("no training picture can be read:{}", first_few(&skipped.iter().collect::<Vec<_>>()));
        Error::data(&dataset.root, reason)
    })?;
    let validation = validation.filter(|validation| !validation.is_empty());
    Ok(Divided { dataset, train, validation, skipped })
}

/// The signatures of all readable pictures. Pictures whose pixels were not seen during preparation are read from cache or
/// file.
fn signatures_of(pictures: &Dataset, seen: Vec<OnceLock<Signature>>) -> Vec<Option<Signature>> {
    let (readable, size) = (pictures.readable(), pictures.size());
    let of = |(number, signature): (usize, OnceLock<Signature>)| match signature.into_inner() {
        _ if !readable[number] => None,
        Some(signature) => Some(signature),
        None => Some(Signature::of(&pictures.at_number(number).ok()?, size, size)),
    };
    seen.into_par_iter().enumerate().map(of).collect()
}

fn refuse_damaged(dataset: &FolderIndex, good: usize, skipped: &[Skipped]) -> Result<()> {
    let bad = skipped.len() + dataset.damaged;
    if good > 0 && !too_many_damaged(good, bad) {
        return Ok(());
    }
    let listed: Vec<&Skipped> = skipped.iter().chain(dataset.skipped.iter().take(dataset.damaged)).collect();
    let all = counted(good + bad, "picture");
    Err(Error::data(&dataset.root, format!("{bad} of {all} cannot be read:{}", first_few(&listed))))
}
