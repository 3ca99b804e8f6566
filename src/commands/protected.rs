//! Files that a command never overwrites, even with --force: its inputs, and the files of runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{MODEL, STATE};
use wgvae::data::{self, PictureFormat};
use wgvae::train::{METRICS, SETTINGS};
use wgvae::tune;

use super::destination::usage;
use super::terminal::shown;

/// Number of folders above a file that are searched for a run.
const MAX_DEPTH: usize = 4;

/// Input files and folders, and their runs.
#[derive(Debug, Default)]
pub(super) struct Protected {
    read: Vec<PathBuf>,
    runs: Vec<PathBuf>,
}

impl Protected {
    /// Protects a file, or all files in a folder, and their run.
    pub fn add(&mut self, path: &Path) {
        // a missing file is refused later, when it is read
        let Ok(whole) = path.canonicalize() else { return };
        self.runs.extend(run_of(&whole));
        self.read.push(whole);
    }

    /// An error if the existing `file`, shown to the user as `path`, is protected.
    ///
    /// # Errors
    /// [`wgvae::error::Error::Usage`] with the reason.
    pub fn check(&self, file: &Path, path: &Path) -> Result<()> {
        self.check_run(file, path)?;
        let name = shown(path);
        let whole = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        // a command reads the pictures of a folder only
        let is_input = PictureFormat::of(&whole).is_ok() || whole.extension() == Some(OsStr::new("gif"));
        if self.read.iter().any(|read| whole == *read || (is_input && whole.starts_with(read))) {
            return usage(format!(
                "{name} is an input of this command, and is not overwritten: choose another name"
            ));
        }
        if let Some(other) = self.other_name_of(&whole) {
            return usage(format!(
                "{name} is the same file as {}, and is not overwritten: choose another name",
                shown(&other)
            ));
        }
        Ok(())
    }

    /// An error if `file`, existing or not, has the name of a run's file.
    ///
    /// # Errors
    /// As [`Protected::check`].
    pub fn check_run(&self, file: &Path, path: &Path) -> Result<()> {
        let Ok(folder) = data::folder_of(file).canonicalize() else { return Ok(()) };
        let whole = folder.join(file.file_name().unwrap_or_default());
        match run_of(&whole).filter(|run| is_part(run, &whole)) {
            None => Ok(()),
            Some(run) => usage(format!(
                "{} belongs to the run or checkpoint {}, and is not overwritten: choose another name",
                shown(path),
                shown(&run)
            )),
        }
    }

    /// An error if new files must not be written into the existing `folder`, shown to the user as `path`.
    ///
    /// # Errors
    /// As [`Protected::check`].
    pub fn check_folder(&self, folder: &Path, path: &Path) -> Result<()> {
        let name = shown(path);
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let of_run = |run: &PathBuf| {
            let below = whole.strip_prefix(run).unwrap_or(&whole);
            below.iter().next().is_none_or(|first| first == "checkpoints") || below == Path::new("samples")
        };
        if let Some(run) = run_of(&whole).filter(of_run) {
            return usage(format!(
                "{name} belongs to the run or checkpoint {}: choose another folder",
                shown(&run)
            ));
        }
        if self.read.iter().any(|read| read.is_dir() && whole == *read) {
            return usage(format!("{name} is an input of this command: choose another folder"));
        }
        Ok(())
    }

    /// A protected file that is a hard link to this file.
    #[cfg(unix)]
    fn other_name_of(&self, file: &Path) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        let found = file.metadata().ok().filter(|found| found.nlink() > 1)?;
        let same = |path: &Path| {
            path.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (found.dev(), found.ino()))
        };
        let files = |root: &PathBuf| walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
        let read = self.read.iter().flat_map(files).map(|entry| entry.into_path());
        let of_runs = self
            .runs
            .iter()
            .flat_map(|run| files(run).map(|entry| entry.into_path()).filter(move |path| is_part(run, path)));
        read.chain(of_runs).find(|path| same(path))
    }

    /// Other systems: only canonical paths are compared.
    #[cfg(not(unix))]
    fn other_name_of(&self, _: &Path) -> Option<PathBuf> {
        None
    }
}

/// The run, or the checkpoint outside a run, that contains the file with this canonical path.
fn run_of(file: &Path) -> Option<PathBuf> {
    let folders = || file.ancestors().skip(usize::from(!file.is_dir())).take(MAX_DEPTH);
    let is_run = |folder: &&Path| {
        let has = |name: &str| folder.join(name).is_file();
        data::is_run(folder) || folder.join("checkpoints").is_dir() && has(METRICS)
    };
    let is_checkpoint = |folder: &&Path| folder.join(MODEL).is_file() && folder.join(STATE).is_file();
    folders().find(is_run).or_else(|| folders().find(is_checkpoint)).map(Path::to_path_buf)
}

/// Whether a file in a run or a checkpoint is one that trainings write and read. The folders may have other files.
fn is_part(run: &Path, file: &Path) -> bool {
    let Ok(below) = file.strip_prefix(run) else { return false };
    let names: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    let Some(first) = names.first() else { return true };
    let last = names.last().unwrap_or(first);
    let of_checkpoint = || {
        let folder = [MODEL, "optimizer.safetensors", STATE, "best", "last"];
        folder.contains(&last.as_ref())
    };
    match first.as_ref() {
        SETTINGS | tune::file::NAME | METRICS | "lock" => true,
        "samples" => last.starts_with("sample_epoch_") || last.starts_with("reconstruction_epoch_"),
        "checkpoints" | "diverged" => of_checkpoint(),
        name if name.starts_with("events.out.tfevents") => true,
        _ => names.len() == 1 && of_checkpoint(),
    }
}
