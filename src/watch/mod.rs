//! A page that follows trainings and compares runs, from their folders alone.
//! Start here for the parts of it, and for what an answer of the server has.
//!
//! ```text
//! run folders ─▶ tail: new lines ─▶ run: curves, latents, advice, files ─▶ server: what is new, as JSON
//!                                                                       └▶ export: one self-contained file
//! ```
//!
//! Nothing is known of a training but its folder, so the page follows one of this process, one of another, and one that
//! is over or copied from elsewhere alike. The one thing that is written is the file that asks a training to stop. A
//! folder may be damaged or hostile: everything that is read of it is bounded, and no file outside a run is opened.

mod curves;
mod export;
mod files;
mod inside;
mod lines;
mod run;
mod server;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use serde::Serialize;

pub use export::{Exported, export};
pub use server::{Watching, serve};

use self::run::{Changed, Run, bounded};
use crate::error::{Error, Result};
use crate::train::{METRICS, SETTINGS};

/// Largest number of runs, and of entries of their folder that are looked at.
const MAX_RUNS: usize = 500;
const MAX_ENTRIES: usize = 20_000;
/// Time between two looks at the folders.
const MIN_PAUSE: Duration = Duration::from_millis(150);

/// The files of the page by name.
const PAGE: &[(&str, &str)] = &[
    ("index.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/index.html"))),
    ("base.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/base.css"))),
    ("watch.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/watch.css"))),
    ("uplot.css", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/uplot/uPlot.min.css"))),
    ("uplot.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/uplot/uPlot.iife.min.js"))),
    ("icon.svg", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/icon.svg"))),
    ("format.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/format.js"))),
    ("store.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/store.js"))),
    ("charts.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/charts.js"))),
    ("latents.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/latents.js"))),
    ("pictures.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/pictures.js"))),
    ("tables.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/tables.js"))),
    ("watch.js", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/watch/watch.js"))),
];

/// A run, or a folder of runs, that is watched.
#[derive(Debug)]
pub struct Watch {
    /// canonical path
    root: PathBuf,
    /// whether it is one run
    single: bool,
    runs: BTreeMap<PathBuf, Run>,
    /// names of runs that were deleted, with the refresh that has noticed it
    gone: Vec<(u64, String)>,
    /// number of looks so far
    refresh: u64,
    looked: Option<Instant>,
    /// whether some files have not been read to the end
    more: bool,
    /// messages about the folder as a whole
    notes: Vec<String>,
}

/// An answer: what is new.
#[derive(Serialize)]
struct Answer<'a> {
    /// the number to ask for what comes after this answer
    refresh: u64,
    /// whether there is more at once
    more: bool,
    folder: String,
    single: bool,
    notes: &'a [String],
    gone: Vec<&'a str>,
    /// number of runs
    count: usize,
    free_bytes: Option<u64>,
    version: &'static str,
    runs: Vec<Changed<'a>>,
}

/// Whether `folder` is a run.
fn is_run(folder: &Path) -> bool {
    [METRICS, SETTINGS].iter().any(|name| folder.join(name).symlink_metadata().is_ok())
}

impl Watch {
    /// Watches a run, or all runs in a folder.
    ///
    /// # Errors
    /// [`Error::Model`] if there is no such folder.
    pub fn new(path: &Path) -> Result<Self> {
        let root = path.canonicalize().ok().filter(|root| root.is_dir());
        let reason = "there is no such folder; name a run, or a folder of runs such as runs";
        let root = root.ok_or_else(|| Error::model(path, reason))?;
        let single = is_run(&root);
        let (runs, gone) = (BTreeMap::new(), Vec::new());
        Ok(Self { root, single, runs, gone, refresh: 0, looked: None, more: false, notes: Vec::new() })
    }

    /// Number of runs that were found in the last look.
    pub fn count(&self) -> usize {
        self.runs.len()
    }

    /// Looks at the folders, and reads what is new until `budget` is over. Returns whether there is more.
    pub fn refresh(&mut self, budget: Duration) -> bool {
        if !self.more && self.looked.is_some_and(|looked| looked.elapsed() < MIN_PAUSE) {
            return false;
        }
        self.refresh += 1;
        self.list();
        let (refresh, deadline) = (self.refresh, Instant::now() + budget);
        let more: Vec<bool> =
            self.runs.par_iter_mut().map(|(_, run)| run.refresh(refresh, deadline)).collect();
        self.more = more.contains(&true);
        self.looked = Some(Instant::now());
        self.more
    }

    /// Reads everything.
    pub fn read_all(&mut self) {
        while self.refresh(Duration::from_secs(1)) {}
    }

    /// Finds new runs and those that were deleted.
    fn list(&mut self) {
        self.notes.clear();
        let mut found = Vec::new();
        if self.single {
            found.extend(is_run(&self.root).then(|| self.root.clone()));
        } else if let Ok(entries) = std::fs::read_dir(&self.root) {
            let (mut outside, mut looked) = (Vec::new(), 0);
            for entry in entries.take(MAX_ENTRIES).filter_map(std::result::Result::ok) {
                looked += 1;
                let known = self.runs.contains_key(&entry.path());
                if !known && !entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink()) {
                    continue;
                }
                let Ok(path) = entry.path().canonicalize() else { continue };
                if !path.is_dir() || !is_run(&path) {
                    continue;
                }
                if path.starts_with(&self.root) {
                    found.push(path);
                } else {
                    outside.push(bounded(&entry.file_name().to_string_lossy()));
                }
            }
            if !outside.is_empty() {
                let names = outside.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
                self.notes.push(format!("left out, because they are links out of the folder: {names}"));
            }
            if looked == MAX_ENTRIES {
                self.notes.push(format!("only {MAX_ENTRIES} entries of the folder were looked at"));
            }
        } else {
            self.notes.push("the folder cannot be read".into());
        }
        found.sort();
        found.dedup();
        if found.len() > MAX_RUNS {
            // those that are known stay
            found.sort_by_key(|path| !self.runs.contains_key(path));
            self.notes.push(format!("{} runs; the page shows {MAX_RUNS} of them", found.len()));
            found.truncate(MAX_RUNS);
        }
        let found: BTreeSet<PathBuf> = found.into_iter().collect();
        let refresh = self.refresh;
        let gone = self.runs.iter().filter(|(path, _)| !found.contains(*path));
        let gone: Vec<(u64, String)> = gone.map(|(_, run)| (refresh, run.id.clone())).collect();
        self.gone.extend(gone);
        self.gone.drain(..self.gone.len().saturating_sub(MAX_RUNS));
        self.runs.retain(|path, _| found.contains(path));
        for path in found {
            self.runs.entry(path.clone()).or_insert_with(|| Run::new(path));
        }
    }

    /// The run with this name for addresses.
    fn run(&self, id: &str) -> Option<&Run> {
        self.runs.values().find(|run| run.id == id)
    }

    /// The changes after the refresh `since`, as JSON.
    fn answer(&self, since: u64) -> Vec<u8> {
        let gone = self.gone.iter().filter(|(refresh, id)| *refresh > since && self.run(id).is_none());
        let answer = Answer {
            refresh: self.refresh,
            more: self.more,
            folder: bounded(&self.root.to_string_lossy()),
            single: self.single,
            notes: &self.notes,
            gone: gone.map(|(_, id)| id.as_str()).collect(),
            count: self.runs.len(),
            free_bytes: fs4::available_space(&self.root).ok(),
            version: env!("CARGO_PKG_VERSION"),
            runs: self.runs.values().filter_map(|run| run.after(since)).collect(),
        };
        serde_json::to_vec(&answer).expect("maps have text keys")
    }

    /// The latents of a run as JSON, if there is such a run.
    fn latents(&self, id: &str) -> Option<Vec<u8>> {
        Some(serde_json::to_vec(self.run(id)?.latents()).expect("numbers"))
    }
}
