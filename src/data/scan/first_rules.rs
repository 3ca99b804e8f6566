//! The first version of the scan rules, kept for resuming runs that began with them: [`super::Rules::First`].
//! Not used by new runs.

use std::path::{Path, PathBuf};

use super::words::Split;

fn split_of(folder: &str) -> Option<Split> {
    match folder.to_lowercase().as_str() {
        "training data" | "training" | "train" => Some(Split::Train),
        "validation data" | "validation" | "valid" | "val" => Some(Split::Validation),
        "testing data" | "testing" | "test" => Some(Split::Test),
        _ => None,
    }
}

/// Descends through folders that are the only one in theirs, if that leads to splits; otherwise stays.
pub(super) fn enter(root: &Path) -> PathBuf {
    let mut here = root.to_path_buf();
    for _ in 0..4 {
        if has_splits(&here) {
            return here;
        }
        let inside = folders(&here);
        let [only] = inside.as_slice() else { break };
        here.push(only);
    }
    root.to_path_buf()
}

/// Whether a folder in `folder` is named as one of training pictures.
pub(super) fn has_splits(folder: &Path) -> bool {
    folders(folder).iter().any(|name| split_of(name) == Some(Split::Train))
}

/// Names of the folders in `folder` that are not hidden; names that are not valid text cannot be splits.
fn folders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names =
        entries.flatten().filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}

/// The split and the class of a picture in `folders`; the split is `None` outside the split folders.
pub(super) fn place(folders: &[String], has_splits: bool) -> (Option<Split>, Option<String>) {
    let split = folders.first().and_then(|name| split_of(name)).filter(|_| has_splits);
    let split = if has_splits { split } else { Some(Split::Train) };
    (split, folders.get(usize::from(has_splits)).cloned())
}
