//! Finding the pictures of a folder.
//!
//! Only names and first bytes are read here; [`super::check`] and [`super::Pictures::prepare`] decode.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use super::shuffle::{SPLIT, shuffle};
use super::sniff::{Kind, READABLE, sniff};
use super::text::{Skipped, counted, first_few, printable};
use crate::error::{Error, Result};

/// The class of pictures that lie in no class folder.
const NO_CLASS: &str = "unlabelled";

/// One picture of a [`Dataset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// Index in [`Dataset::classes`].
    pub label: u32,
}

/// How the pictures lie in their folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `Training Data/`, `Validation Data/`, `Testing Data/`.
    Reference,
    /// `train/`, `val/` (or `valid/`, `validation/`), `test/`.
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
            Self::Splits => "train/, val/, test/",
            Self::Classes => "class folders without splits",
            Self::Plain => "plain folder",
        })
    }
}

/// The pictures of a folder, by split; every list is sorted by path.
#[derive(Clone, Debug)]
pub struct Dataset {
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
    /// Files that are not pictures and not named like pictures.
    pub other_files: usize,
    /// Whether the validation (and, without splits, the test) pictures were drawn by the seed.
    pub split_made: bool,
}

impl Dataset {
    /// The number of pictures in all splits.
    pub fn len(&self) -> usize {
        self.train.len() + self.validation.len() + self.test.len()
    }

    /// Whether there are no pictures; [`scan`] never returns such a data set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Finds the pictures under `root`, at any depth.
///
/// Where there are no split folders, or none for validation, `seed` draws 90/5/5 from the sorted paths: the
/// same files give the same split on every machine. A folder that holds nothing but one other folder is
/// entered when splits are found there (archives are often packed like that). Hidden files and folders are
/// passed over.
///
/// # Errors
/// When `root` is missing, is not a folder or cannot be read, when it holds no pictures, and when more than
/// half of the files named like pictures are not.
pub fn scan(root: &Path, seed: u64) -> Result<Dataset> {
    let meta = std::fs::metadata(root).map_err(Error::io("read", root))?;
    if !meta.is_dir() {
        return Err(Error::data(root, "is a file; give the folder that holds the pictures"));
    }
    std::fs::read_dir(root).map_err(Error::io("read", root))?;
    let root = &enter(root);
    let has_splits = folders(root).iter().any(|name| split_of(name) == Some(Split::Train));
    let found = walk(root, has_splits);
    refuse_unusable(root, &found)?;
    Ok(arrange(root, found, has_splits, seed))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Split {
    Train,
    Validation,
    Test,
}

fn split_of(folder: &str) -> Option<Split> {
    match folder.to_lowercase().as_str() {
        "training data" | "training" | "train" => Some(Split::Train),
        "validation data" | "validation" | "valid" | "val" => Some(Split::Validation),
        "testing data" | "testing" | "test" => Some(Split::Test),
        _ => None,
    }
}

/// Goes down through folders that are alone in theirs, if that leads to splits; else stays.
fn enter(root: &Path) -> PathBuf {
    let mut here = root.to_path_buf();
    for _ in 0..4 {
        let inside = folders(&here);
        if inside.iter().any(|name| split_of(name) == Some(Split::Train)) {
            return here;
        }
        let [only] = inside.as_slice() else { break };
        here.push(only);
    }
    root.to_path_buf()
}

/// Names of the folders in `folder` that are not hidden; names that are no text cannot be splits.
fn folders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names =
        entries.flatten().filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}

struct Picture {
    path: PathBuf,
    split: Split,
    class: String,
}

#[derive(Default)]
struct Found {
    pictures: Vec<Picture>,
    unreadable: Vec<Skipped>,
    passed: Vec<Skipped>,
    other: usize,
}

fn walk(root: &Path, has_splits: bool) -> Found {
    let visible = |e: &DirEntry| e.depth() == 0 || !e.file_name().as_encoded_bytes().starts_with(b".");
    let mut found = Found::default();
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => take(root, entry.into_path(), has_splits, &mut found),
            Ok(_) => {}
            Err(error) => found.passed.push(passed(root, &error)),
        }
    }
    found.pictures.sort_by(|a, b| a.path.cmp(&b.path));
    found.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    found.passed.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn passed(root: &Path, error: &walkdir::Error) -> Skipped {
    let path = error.path().unwrap_or(root).to_path_buf();
    let reason = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => format!("is a link that leads back to {}", printable(ancestor)),
        (None, Some(source)) => format!("cannot be opened: {source}"),
        (None, None) => "cannot be opened".into(),
    };
    Skipped { path, reason }
}

fn take(root: &Path, path: PathBuf, has_splits: bool, found: &mut Found) {
    match sniff(&path) {
        Kind::Other => found.other += 1,
        Kind::Unreadable(reason) => found.unreadable.push(Skipped { path, reason }),
        Kind::Picture(_) => {
            let below = path.strip_prefix(root).unwrap_or(&path);
            let mut folders =
                below.iter().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>();
            folders.pop();
            let split = folders.first().and_then(|name| split_of(name)).filter(|_| has_splits);
            let class = folders.into_iter().nth(usize::from(has_splits)).unwrap_or(NO_CLASS.into());
            match split {
                None if has_splits => found.passed.push(Skipped {
                    path,
                    reason: "lies outside the training, validation and test folders".into(),
                }),
                split => found.pictures.push(Picture { path, split: split.unwrap_or(Split::Train), class }),
            }
        }
    }
}

fn refuse_unusable(root: &Path, found: &Found) -> Result<()> {
    let (good, bad) = (found.pictures.len(), found.unreadable.len());
    let listed = first_few(&found.unreadable.iter().chain(&found.passed).collect::<Vec<_>>());
    if good == 0 {
        let others =
            if found.other == 0 { String::new() } else { format!(" ({} of other kinds)", found.other) };
        return Err(Error::data(
            root,
            format!("no pictures here{others}; {READABLE}, in this folder and at any depth below it{listed}"),
        ));
    }
    if bad > good {
        let reason = format!("{bad} of {} cannot be read:{listed}", counted(good + bad, "picture"));
        return Err(Error::data(root, reason));
    }
    Ok(())
}

fn arrange(root: &Path, found: Found, has_splits: bool, seed: u64) -> Dataset {
    let classes: Vec<String> =
        found.pictures.iter().map(|p| p.class.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let (mut train, mut validation, mut test) = (Vec::new(), Vec::new(), Vec::new());
    for Picture { path, split, class } in found.pictures {
        // the list is sorted and holds every class
        let label = classes.binary_search(&class).unwrap_or_default() as u32;
        match split {
            Split::Train => train.push(Item { path, label }),
            Split::Validation => validation.push(Item { path, label }),
            Split::Test => test.push(Item { path, label }),
        }
    }
    let split_made = validation.is_empty();
    if split_made {
        let tests = if test.is_empty() { train.len() / 20 } else { 0 };
        let validations = (train.len() / 20).max(usize::from(train.len() > 1));
        shuffle(&mut train, seed, SPLIT, 0);
        validation = train.split_off(train.len() - validations);
        test.extend(train.split_off(train.len() - tests));
        for list in [&mut train, &mut validation, &mut test] {
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }
    let reference = folders(root).iter().any(|name| name.to_lowercase() == "training data");
    let layout = match (has_splits, classes.as_slice()) {
        (true, _) if reference => Layout::Reference,
        (true, _) => Layout::Splits,
        (false, [only]) if only == NO_CLASS => Layout::Plain,
        (false, _) => Layout::Classes,
    };
    let mut skipped = found.unreadable;
    skipped.extend(found.passed);
    let root = root.to_path_buf();
    Dataset { root, layout, train, validation, test, classes, skipped, other_files: found.other, split_made }
}
