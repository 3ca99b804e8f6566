//! Finding the pictures of a folder.
//!
//! Names, sizes and first bytes are read here, and a few pictures are decoded to tell masks from photographs; all
//! are decoded by [`super::check`] and [`super::prepare_folder`], after which a split is drawn by [`draw`].

mod arrange;
mod derived;
pub(super) mod draw;
mod earlier;
mod masks;
mod never;
mod options;
mod splits;
mod told;
mod tree;
mod walk;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::arrange::Arranged;
pub use self::never::is_run;
use self::options::Globs;
pub use self::options::{Rules, ScanOptions, Splits};
use self::splits::Plan;
pub(super) use self::told::too_many_damaged;
use self::told::{notes, refuse_unusable};
use self::tree::Folder;
use self::walk::{Without, walk};
use self::words::Split;
use super::text::Skipped;
use crate::error::{Error, Result};

/// The class of pictures that lie in no class folder.
const NO_CLASS: &str = "unlabelled";

/// One picture of a [`FolderIndex`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// Index in [`FolderIndex::classes`].
    pub label: u32,
}

/// How the pictures lie in their folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `Training Data/`, `Validation Data/`, `Testing Data/`.
    Reference,
    /// Folders for training, validation and test by other names, such as `train2017/`, `val2017/`.
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
    /// The folder that holds the splits, classes or pictures: the one asked for, or one below it that is alone.
    pub root: PathBuf,
    /// How they lie.
    pub layout: Layout,
    /// Pictures to train on.
    pub train: Vec<Item>,
    /// Pictures to watch training with; never empty when there are two pictures or more.
    pub validation: Vec<Item>,
    /// Pictures for the end.
    pub test: Vec<Item>,
    /// Class names, sorted: the first folder below the split, or `unlabelled`.
    pub classes: Vec<String>,
    /// Files named like pictures that cannot be read, links that lead in circles, folders that cannot be
    /// opened, pictures outside the split folders.
    pub skipped: Vec<Skipped>,
    /// Pictures in formats that are known and not read, such as camera raw; they say nothing against the others.
    pub foreign: Vec<Skipped>,
    /// Files that are not pictures and not named like pictures.
    pub other_files: usize,
    /// Whether the validation (and, without splits, the test) pictures were drawn by the seed.
    pub split_made: bool,
    /// What was decided and passed over, a line each.
    pub notes: Vec<String>,
    /// How many of `skipped` were meant as pictures and are damaged.
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

    /// Whether there are no pictures; [`scan`] never returns such a data set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How validation and test pictures were drawn, as a phrase; nothing where the folder has its own.
    pub fn drawn(&self) -> Option<&'static str> {
        let both = self.test_made && !self.test.is_empty();
        self.split_made.then_some(if both {
            "split 90/5/5 by the seed"
        } else {
            "validation drawn by the seed"
        })
    }

    /// Everything that is left out by name: [`FolderIndex::skipped`] and [`FolderIndex::foreign`].
    pub fn left_out(&self) -> impl Iterator<Item = &Skipped> {
        self.skipped.iter().chain(&self.foreign)
    }
}

/// As [`scan_with`], by the names of the folders and `seed` alone.
///
/// # Errors
/// As [`scan_with`].
pub fn scan(root: &Path, seed: u64) -> Result<FolderIndex> {
    scan_with(root, &ScanOptions { seed, ..ScanOptions::default() })
}

/// Finds the pictures under `root`, at any depth.
///
/// Folders are splits by their names (`train2017`, `seg_test`, `Validation Data`) and by what lies beside them, see
/// [`FolderIndex::notes`]; folders above and beside them do not matter. Without splits, or without one for validation,
/// the seed draws 90/5/5 from the sorted paths: the same files give the same split on every machine. That is a first
/// draw, of names: [`super::check`] and [`super::prepare_folder`] draw among pictures that can be read.
///
/// Hidden files are passed over. Passed over and counted are folders that are never data (`__MACOSX`, `@eaDir`, runs
/// of wgvae), pictures that wgvae made where there are others, previews and copies of pictures that are there too, masks,
/// and what stands for a file that is not here. A file that links lead to counts once.
///
/// # Errors
/// When `root` is missing, is not a folder or cannot be read, when it holds no pictures, and when more than
/// half of the files named like pictures are damaged; [`Error::Usage`] for patterns that are none.
pub fn scan_with(root: &Path, options: &ScanOptions) -> Result<FolderIndex> {
    let meta = std::fs::metadata(root).map_err(Error::io("read", root))?;
    if !meta.is_dir() {
        return Err(Error::data(root, "is a file; give the folder that holds the pictures"));
    }
    std::fs::read_dir(root).map_err(Error::io("read", root))?;
    let (exclude, include) =
        (Globs::new(&options.exclude, "--exclude")?, Globs::new(&options.include, "--include")?);
    let named = ScanOptions { rules: Rules::Second, ..options.clone() };
    // the first rules know nothing of splits that are named
    let options = if options.splits == Splits::Auto { options } else { &named };
    if options.rules == Rules::First {
        let root = &earlier::enter(root);
        let has_splits = earlier::has_splits(root);
        let found = walk(root, &Without { never: false, exclude: &exclude, include: &include });
        refuse_unusable(root, &found)?;
        let place = |folders: &[String]| earlier::place(folders, has_splits);
        let note = "found and divided as by the version of wgvae that the run began with";
        return Ok(Arranged::new(found, place).dataset(root, has_splits, vec![note.into()], options));
    }
    if is_run(root) {
        return Err(Error::data(root, "is a run of wgvae; give the folder that holds the pictures"));
    }
    let mut found = walk(root, &Without { never: true, exclude: &exclude, include: &include });
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
