//! The assignment of pictures to splits and classes.
//! The last step of a scan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::walk::Found;
use super::words::Split;
use super::{FolderIndex, Item, Layout, NO_CLASS, ScanOptions, draw};
use crate::data::text::{OUTSIDE, Skipped};

/// Pictures by split, with their classes.
pub(super) struct Arranged {
    splits: [Vec<Item>; 3],
    classes: Vec<String>,
    skipped: Vec<Skipped>,
    foreign: Vec<Skipped>,
    damaged: usize,
    other: BTreeMap<String, usize>,
}

impl Arranged {
    /// Puts every picture into the split and the class that `place` returns for its folders.
    pub(super) fn new(found: Found, place: impl Fn(&[String]) -> (Option<Split>, Option<String>)) -> Self {
        let mut placed = Vec::with_capacity(found.pictures.len());
        let damaged = found.unreadable.len();
        let mut outside = Vec::new();
        for picture in found.pictures {
            match place(&picture.folders) {
                (Some(split), class) => placed.push((picture.path, split, class.unwrap_or(NO_CLASS.into()))),
                (None, _) => outside.push(Skipped { path: picture.path, reason: OUTSIDE.into() }),
            }
        }
        let classes: BTreeSet<String> = placed.iter().map(|(_, _, class)| class.clone()).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        let mut splits: [Vec<Item>; 3] = Default::default();
        for (path, split, class) in placed {
            // the list is sorted and contains every class
            let label = classes.binary_search(&class).unwrap_or_default() as u32;
            splits[split as usize].push(Item { path, label });
        }
        let mut aside = found.closed;
        aside.extend(outside);
        aside.sort_by(|a, b| a.path.cmp(&b.path));
        let skipped = [found.unreadable, found.empty, aside].concat();
        let foreign = found.foreign.into_iter().map(|(skipped, _)| skipped).collect();
        Self { splits, classes, skipped, foreign, damaged, other: found.other }
    }

    /// The folder index of `root`; if it has no split, one is drawn by the names.
    pub(super) fn dataset(
        self,
        root: &Path,
        divided: bool,
        notes: Vec<String>,
        options: &ScanOptions,
    ) -> FolderIndex {
        let Self { splits: [mut train, mut validation, mut test], classes, skipped, foreign, damaged, other } =
            self;
        let split_made = validation.is_empty();
        let test_made = split_made && test.is_empty();
        if split_made {
            draw::by_names(&mut train, &mut validation, &mut test, options.seed);
        }
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name().to_string_lossy().to_lowercase());
        let layout = match (divided, classes.as_slice()) {
            (true, _) if names.any(|name| name == "training data") => Layout::Reference,
            (true, _) => Layout::Splits,
            (false, [only]) if only == NO_CLASS => Layout::Plain,
            (false, _) => Layout::Classes,
        };
        let (root, options) = (root.to_path_buf(), options.clone());
        FolderIndex {
            root,
            layout,
            train,
            validation,
            test,
            classes,
            skipped,
            foreign,
            other_files: other.values().sum(),
            other_kinds: other,
            split_made,
            notes,
            damaged,
            options,
            test_made,
        }
    }
}
