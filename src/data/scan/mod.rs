//! The scan: finding the pictures of a folder and its splits.
//! Read this for which files are skipped and how folder names become splits.
//!
//! The scan reads names, sizes and first bytes, and decodes a few pictures to tell masks from photographs.
//! [`super::check`] and [`super::prepare_folder`] decode all, after which [`draw`] draws the split.

mod arrange;
mod derived;
pub(super) mod draw;
mod first_rules;
mod ignored_folders;
mod masks;
mod messages;
mod options;
mod raw_files;
mod splits;
mod tree;
mod walk;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::arrange::Arranged;
pub use self::ignored_folders::is_run;
pub(super) use self::messages::too_many_damaged;
use self::messages::{notes, refuse_unusable};
use self::options::Globs;
pub use self::options::{Rules, ScanOptions, Splits};
use self::splits::Plan;
use self::tree::Folder;
use self::walk::{Without, walk};
use self::words::Split;
use super::text::Skipped;
use crate::error::{Error, Result};

/// The class of pictures outside any class folder.
const NO_CLASS: &str = "unlabelled";

/// One picture of a [`FolderIndex`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// Index in [`FolderIndex::classes`].
    pub label: u32,
}

/// The folder layout of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `Training Data/`, `Validation Data/`, `Testing Data/`.
    Reference,
    /// Folders for training, validation and test with other names, such as `train2017/`, `val2017/`.
    Splits,
    /// A folder per class, no splits.
    Classes,
    /// Pictures without splits or classes.
    Plain,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference => "Training Data/, Validation Data/, Testing Data/",
            Self::Splits => "folders for training, validation and test",
            Self::Classes => "class folders without splits",
            Self::Plain => "plain folder",
        })
    }
}

/// The pictures of a folder, by split; every list is sorted by path.
#[derive(Clone, Debug)]
pub struct FolderIndex {
    /// The folder that holds the splits, classes or pictures: the requested one, or a single folder below it.
    pub root: PathBuf,
    /// The folder layout.
    pub layout: Layout,
    /// Pictures to train on.
    pub train: Vec<Item>,
    /// Validation pictures; never empty if there are two pictures or more.
    pub validation: Vec<Item>,
    /// Test pictures, for the final evaluation.
    pub test: Vec<Item>,
    /// Class names, sorted: the first folder below the split, or `unlabelled`.
    pub classes: Vec<String>,
    /// Skipped files: named like pictures but unreadable, links that form a cycle, folders that cannot be opened,
    /// pictures outside the split folders.
    pub skipped: Vec<Skipped>,
    /// Pictures in known but unsupported formats, such as camera raw; they do not count as damaged.
    pub foreign: Vec<Skipped>,
    /// Files that are not pictures and not named like pictures.
    pub other_files: usize,
    /// Their number by extension.
    pub other_kinds: BTreeMap<String, usize>,
    /// Whether the validation (and, without splits, the test) pictures were drawn with the seed.
    pub split_made: bool,
    /// Decisions made and files skipped, one line each.
    pub notes: Vec<String>,
    /// Number of damaged pictures among `skipped`.
    pub(super) damaged: usize,
    options: ScanOptions,
    /// whether the drawn split has test pictures too
    test_made: bool,
}

impl FolderIndex {
    /// The number of pictures in all splits.
    pub fn len(&self) -> usize {
        self.train.len() + self.validation.len() + self.test.len()
    }

    /// Whether there are no pictures; [`scan`] never returns such an index.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A phrase about the drawn validation and test pictures; `None` if the folder has its own.
    pub fn drawn(&self) -> Option<&'static str> {
        let both = self.test_made && !self.test.is_empty();
        self.split_made.then_some(if both {
            "split 90/5/5 by the seed"
        } else {
            "validation drawn by the seed"
        })
    }

    /// All files skipped by name: [`FolderIndex::skipped`] and [`FolderIndex::foreign`].
    pub fn left_out(&self) -> impl Iterator<Item = &Skipped> {
        self.skipped.iter().chain(&self.foreign)
    }
}

/// As [`scan_with`], with default options and `seed`.
///
/// # Errors
/// As [`scan_with`].
pub fn scan(root: &Path, seed: u64) -> Result<FolderIndex> {
    scan_with(root, &ScanOptions { seed, ..ScanOptions::default() })
}

/// Finds the pictures under `root`, at any depth.
///
/// Folders become splits by their names (`train2017`, `seg_test`, `Validation Data`) and by the names beside them, see
/// [`FolderIndex::notes`]; folders above and beside the root do not matter. Without splits, or without one for
/// validation, the seed draws 90/5/5 from the sorted paths: identical files give an identical split on every machine.
/// This first draw uses names only: [`super::check`] and [`super::prepare_folder`] draw among the readable pictures.
///
/// Hidden files are ignored. Skipped and counted are: folders that are never data (`__MACOSX`, `@eaDir`, runs of
/// wgvae), pictures made by wgvae if there are others, previews and copies whose originals are there, masks, and
/// placeholders for files stored elsewhere. A file with several links counts once.
///
/// # Errors
/// If `root` is missing, is not a folder or cannot be read, if it holds no pictures, and if more than half of the files
/// named like pictures are damaged; [`Error::Usage`] for invalid patterns.
pub fn scan_with(root: &Path, options: &ScanOptions) -> Result<FolderIndex> {
    let meta = std::fs::metadata(root).map_err(Error::io("read", root))?;
    if !meta.is_dir() {
        return Err(Error::data(root, "is a file; give the folder that holds the pictures"));
    }
    std::fs::read_dir(root).map_err(Error::io("read", root))?;
    let (exclude, include) =
        (Globs::new(&options.exclude, "--exclude")?, Globs::new(&options.include, "--include")?);
    let named = ScanOptions { rules: Rules::Second, ..options.clone() };
    // the first rules do not support named splits
    let options = if options.splits == Splits::Auto { options } else { &named };
    if options.rules == Rules::First {
        let root = &first_rules::enter(root);
        let has_splits = first_rules::has_splits(root);
        let found = walk(root, &Without { never: false, exclude: &exclude, include: &include });
        refuse_unusable(root, &found)?;
        let place = |folders: &[String]| first_rules::place(folders, has_splits);
        let note = "found and divided as by the version of wgvae that the run began with";
        return Ok(Arranged::new(found, place).dataset(root, has_splits, vec![note.into()], options));
    }
    if is_run(root) {
        return Err(Error::data(root, "is a run of wgvae; give the folder that holds the pictures"));
    }
    let mut found = walk(root, &Without { never: true, exclude: &exclude, include: &include });
    raw_files::pass_over(&mut found);
    derived::pass_over(&mut found);
    masks::pass_over(&mut found);
    refuse_unusable(root, &found)?;
    let tree = Folder::of(&found.pictures);
    let plan = match &options.splits {
        Splits::Auto => splits::find(&tree),
        Splits::Draw => Plan { notes: Vec::new(), ..splits::find(&tree) },
        Splits::Named { train, validation, test } => splits::named(&tree, [train, validation, test])?,
    };
    let notes = [plan.notes.clone(), notes(&found)].concat();
    let draw = options.splits == Splits::Draw;
    let place = |folders: &[String]| match plan.place(&tree, folders) {
        (_, class) if draw => (Some(Split::Train), class),
        placed => placed,
    };
    let arranged = Arranged::new(found, place);
    let root = plan.base.iter().fold(root.to_path_buf(), |path, name| path.join(name));
    Ok(arranged.dataset(&root, !plan.splits.is_empty() && !draw, notes, options))
}
