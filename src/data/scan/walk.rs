//! The walk over all files of a folder, classified by their first bytes.
//! Read this for hidden files, links and files made by wgvae.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::ignored_folders;
use super::options::Globs;
use crate::data::formats::{Format, readable_formats};
use crate::data::sniff::{self, Kind, Sniffed, foreign_file, sniff};
use crate::data::text::{Skipped, printable};

/// A readable picture, judged by its first bytes.
pub(super) struct Picture {
    pub(super) path: PathBuf,
    /// folder names from the root down to it
    pub(super) folders: Vec<String>,
    pub(super) bytes: u64,
    pub(super) format: Format,
    /// whether `--include` names it: it is never skipped
    pub(super) wanted: bool,
    /// whether it carries a mark of this program
    marked: bool,
    /// whether the file is a link
    link: bool,
}

/// Result of a walk; the lists are sorted by path.
#[derive(Default)]
pub(super) struct Found {
    pub(super) pictures: Vec<Picture>,
    /// named like pictures, but unreadable
    pub(super) unreadable: Vec<Skipped>,
    /// named like pictures, but empty
    pub(super) empty: Vec<Skipped>,
    /// in known but unsupported formats, with their formats
    pub(super) foreign: Vec<(Skipped, &'static str)>,
    /// links that form a cycle, folders that cannot be opened
    pub(super) closed: Vec<Skipped>,
    /// number of skipped files by reason
    pub(super) passed: BTreeMap<String, usize>,
    /// number of placeholders for files stored elsewhere, by kind
    pub(super) placeholders: BTreeMap<&'static str, usize>,
    /// number of files of other kinds, by extension
    pub(super) other: BTreeMap<String, usize>,
    /// notes about suspicious but accepted pictures
    pub(super) hints: Vec<String>,
}

/// Reason for pictures in folders whose name begins with a dot.
const HIDDEN: &str = "hidden folders";
/// Extensions of files that contain other files.
const PACKED: [&str; 13] =
    ["zip", "tar", "tgz", "gz", "7z", "rar", "parquet", "arrow", "npz", "npy", "h5", "tfrecord", "tfrecords"];

/// Filters of the walk, in addition to hidden files.
pub(super) struct Without<'a> {
    /// skip folders that are never data and sample grids of a training
    pub(super) never: bool,
    pub(super) exclude: &'a Globs,
    pub(super) include: &'a Globs,
}

impl Without<'_> {
    /// The reason why a file or folder other than the root is skipped; `None` if it is not.
    fn reason(&self, root: &Path, entry: &DirEntry) -> Option<String> {
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(path);
        if self.include.covers(below) {
            return None;
        }
        if let Some(glob) = self.exclude.matching(below) {
            return Some(format!("--exclude {glob}"));
        }
        (self.never && entry.file_type().is_dir()).then(|| ignored_folders::reason(path)).flatten()
    }
}

/// Visits every file under `root`. Hidden files and folders are ignored.
pub(super) fn walk(root: &Path, without: &Without<'_>) -> Found {
    let mut found = Found::default();
    let mut left_out: Vec<(PathBuf, String)> = Vec::new();
    let hidden = |e: &DirEntry| e.file_name().as_encoded_bytes().starts_with(b".");
    let visible = |e: &DirEntry| {
        if e.depth() == 0 {
            return true;
        }
        let reason = without.reason(root, e);
        if let Some(reason) = &reason {
            left_out.push((e.path().to_path_buf(), reason.clone()));
        }
        if reason.is_none() && hidden(e) && e.file_type().is_dir() {
            left_out.push((e.path().to_path_buf(), HIDDEN.to_owned()));
        }
        let placeholder = sniff::placeholder(e.path()).is_some() && e.file_type().is_file();
        reason.is_none() && (!hidden(e) || placeholder)
    };
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => found.take(root, entry, without),
            Ok(_) => {}
            Err(error) => found.closed.push(closed(root, &error)),
        }
    }
    for (path, reason) in left_out {
        let count = named_as_pictures(&path);
        if count > 0 {
            *found.passed.entry(reason).or_default() += count;
        }
    }
    found.pictures.sort_by(|a, b| a.path.cmp(&b.path));
    if without.never {
        found.pass_over_grids(root);
        found.pass_over_own(root);
        found.pass_over_linked(root);
    }
    for list in [&mut found.unreadable, &mut found.empty, &mut found.closed] {
        list.sort_by(|a, b| a.path.cmp(&b.path));
    }
    found.foreign.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    found
}

/// Number of files under `path` that are named like pictures. Links are not followed.
fn named_as_pictures(path: &Path) -> usize {
    let files = WalkDir::new(path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.filter(|entry| sniff::is_named_as_picture(entry.path())).count()
}

fn closed(root: &Path, error: &walkdir::Error) -> Skipped {
    let path = error.path().unwrap_or(root).to_path_buf();
    let reason = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => format!("is a link that leads back to {}", printable(ancestor)),
        (None, Some(source)) => format!("cannot be opened: {source}"),
        (None, None) => "cannot be opened".into(),
    };
    Skipped { path, reason }
}

impl Found {
    /// The number of files of other kinds.
    pub(super) fn others(&self) -> usize {
        self.other.values().sum()
    }

    /// The files of other kinds that may contain pictures, by extension.
    pub(super) fn packed(&self) -> impl Iterator<Item = (&String, usize)> {
        let packed = self.other.iter().filter(|(extension, _)| PACKED.contains(&extension.as_str()));
        packed.map(|(extension, count)| (extension, *count))
    }

    fn take(&mut self, root: &Path, entry: DirEntry, without: &Without<'_>) {
        let (link, path) = (entry.path_is_symlink(), entry.into_path());
        let Sniffed { kind, bytes, marked } = sniff(&path);
        match kind {
            Kind::Other => *self.other.entry(sniff::extension(&path)).or_default() += 1,
            Kind::Placeholder(what) => *self.placeholders.entry(what).or_default() += 1,
            Kind::Empty => self.empty.push(Skipped { path, reason: "is empty (0 bytes)".into() }),
            Kind::Unreadable(reason) => self.unreadable.push(Skipped { path, reason }),
            Kind::Foreign(name) => {
                let reason = format!("is {}; {} can be read", foreign_file(name), readable_formats());
                self.foreign.push((Skipped { path, reason }, name));
            }
            Kind::Picture(format) => {
                let below = path.strip_prefix(root).unwrap_or(&path);
                let wanted = without.include.covers(below);
                let mut folders: Vec<String> =
                    below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                folders.pop();
                self.pictures.push(Picture { path, folders, bytes, format, wanted, marked, link });
            }
        }
    }

    /// Skips folders with sample grids of a training: they hold pictures drawn by wgvae.
    fn pass_over_grids(&mut self, root: &Path) {
        let drawn: BTreeSet<Vec<String>> = self
            .pictures
            .iter()
            .filter(|picture| picture.path.parent() != Some(root) && ignored_folders::is_grid(&picture.path))
            .map(|picture| picture.folders.clone())
            .collect();
        self.pass_over(|picture| drawn.contains(&picture.folders).then(|| "grids of wgvae".into()));
    }

    /// Skips pictures written by commands of this program. If there are no others they are used: `data synth` and
    /// `decode` make pictures to train on.
    fn pass_over_own(&mut self, root: &Path) {
        let is_own = |picture: &Picture| {
            picture.marked || picture.path.parent() == Some(root) && ignored_folders::is_grid(&picture.path)
        };
        if self.pictures.iter().all(is_own) {
            return;
        }
        self.pass_over(|picture| is_own(picture).then(|| "pictures that wgvae made".into()));
    }

    /// Counts a file with several links once, at its first path. A hub's cache keeps its files under digests, with
    /// links to them under their names.
    fn pass_over_linked(&mut self, root: &Path) {
        let Ok(whole) = root.canonicalize() else { return };
        let (mut targets, mut again) = (HashSet::new(), HashSet::new());
        for picture in self.pictures.iter().filter(|picture| picture.link) {
            let target = picture.path.canonicalize().ok();
            let Some(below) = target.as_ref().and_then(|target| target.strip_prefix(&whole).ok()) else {
                continue;
            };
            if !targets.insert(root.join(below)) {
                again.insert(picture.path.clone());
            }
        }
        self.pass_over(|picture| {
            let seen = if picture.link { &again } else { &targets };
            seen.contains(&picture.path).then(|| "seen by a link already".into())
        });
    }

    /// Skips the pictures for which `why` returns a reason.
    pub(super) fn pass_over(&mut self, why: impl Fn(&Picture) -> Option<String>) {
        let passed = &mut self.passed;
        self.pictures.retain(|picture| match why(picture).filter(|_| !picture.wanted) {
            Some(reason) => {
                *passed.entry(reason).or_default() += 1;
                false
            }
            None => true,
        });
    }
}
