//! Summary of a run from its folder, without an adapter: settings, progress, state, size on disk.
//! Everything in the folder may be damaged, cut off or from another program.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use walkdir::WalkDir;
use wgvae::checkpoint::{self, Best, Listing, State};
use wgvae::config::{Preset, Table};
use wgvae::train::{METRICS, RunFolder, SETTINGS};

use crate::commands::train::finished_reason;
use crate::commands::train::resume_command;
use crate::commands::train::settings::{Layers, Settings, file};

/// Bytes of the end of `metrics.jsonl` that are read for its last lines.
const TAIL: u64 = 64 << 10;
/// Bytes of `metrics.jsonl` that are read for the line of the best epoch.
const MAX_METRICS: u64 = 256 << 20;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// a process trains it
    Running,
    /// it has done its epochs, or ended by --patience
    Finished,
    /// it can continue
    Interrupted,
    /// its loss was not finite
    Diverged,
    /// its settings or its newest checkpoint cannot be read
    Damaged,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Diverged => "diverged",
            Self::Damaged => "damaged",
        })
    }
}

/// A checkpoint of a run.
#[derive(Debug)]
pub struct Stored {
    pub path: PathBuf,
    pub state: State,
    pub bytes: u64,
}

/// Summary of a run.
#[derive(Debug)]
pub struct Summary {
    pub run: RunFolder,
    /// unless they cannot be read
    pub settings: Option<Settings>,
    /// the whole checkpoints, oldest first
    pub checkpoints: Vec<Stored>,
    /// reasons why files cannot be read
    pub damage: Vec<String>,
    /// size of all files
    pub bytes: u64,
    pub state: RunState,
}

impl Summary {
    /// Reads the run in `folder`.
    pub fn read(folder: &Path) -> Self {
        let run = run_folder(folder);
        let mut damage = Vec::new();
        let settings = read_settings(folder).map_err(|reason| damage.push(reason)).ok();
        let Listing { whole, broken } =
            checkpoint::list(&run.checkpoints()).unwrap_or(Listing { whole: Vec::new(), broken: Vec::new() });
        damage.extend(broken.iter().map(ToString::to_string));
        let broken = broken.len();
        let newest = whole.last().map(|(path, _)| path.clone());
        let mut checkpoints = Vec::new();
        let mut cut = false;
        for (path, state) in whole {
            if let Some(reason) = damaged_file(&path, &state) {
                cut |= newest.as_ref() == Some(&path);
                damage.push(reason);
                continue;
            }
            let bytes = size_of(&path);
            checkpoints.push(Stored { path, state, bytes });
        }
        let mut summary =
            Self { bytes: size_of(folder), run, settings, checkpoints, damage, state: RunState::Interrupted };
        summary.state = summary.judge(cut || broken > 0);
        summary
    }

    fn judge(&self, damaged: bool) -> RunState {
        if self.run.is_training() {
            return RunState::Running;
        }
        let Some(settings) = &self.settings else { return RunState::Damaged };
        if damaged {
            return RunState::Damaged;
        }
        let last = last_line(&self.run.path.join(METRICS), |_| true);
        if last.is_some_and(|line| line["kind"] == "diverged") {
            return RunState::Diverged;
        }
        let Some(Stored { state, .. }) = self.checkpoints.last() else { return RunState::Interrupted };
        // at --max-steps it has not ended, and --resume continues it
        let mut whole = settings.clone();
        whole.options.max_steps = None;
        let ended = finished_reason(state, &whole).is_some();
        if ended { RunState::Finished } else { RunState::Interrupted }
    }

    /// The state of the newest checkpoint.
    pub fn progress(&self) -> Option<&State> {
        self.checkpoints.last().map(|stored| &stored.state)
    }

    /// Whole epochs that are done.
    pub fn epochs_done(&self) -> u32 {
        self.progress().map_or(0, |state| state.epoch.saturating_sub(1))
    }

    /// Epochs that were asked for.
    pub fn epochs(&self) -> Option<u32> {
        let of_state = || self.progress().map(|state| state.config.epochs);
        self.settings.as_ref().map(|settings| settings.config.epochs).or_else(of_state)
    }

    /// The best checkpoint so far, with its validation loss.
    pub fn best(&self) -> Option<&Best> {
        self.progress()?.best.as_ref()
    }

    /// The line of metrics of the best epoch, else of the last one.
    pub fn best_epoch(&self) -> Option<Value> {
        let mut text = String::new();
        let file = File::open(self.run.path.join(METRICS)).ok()?;
        file.take(MAX_METRICS).read_to_string(&mut text).ok()?;
        let epochs = text.lines().filter(|line| line.contains("\"epoch\",") || line.contains("\"epoch\" "));
        let lines = epochs.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<Value> = lines.filter(|line| line["kind"] == "epoch").collect();
        let best = lines.iter().rposition(|line| line["best"] == true).or(lines.len().checked_sub(1))?;
        lines.into_iter().nth(best)
    }

    /// Name of the preset with these sizes, if there is one, and the size of the pictures.
    pub fn model(&self) -> Option<(String, u32)> {
        let model = self
            .settings
            .as_ref()
            .map(|settings| settings.config.model)
            .or_else(|| self.progress().map(|state| state.config.model))?;
        let table = model.table().ok()?;
        let is = |preset: &&Preset| {
            preset.table(model.architecture).is_ok_and(|sizes| table.differences(&sizes) == Table::default())
        };
        let name =
            Preset::ALL.iter().find(is).map_or_else(|| model.architecture.name(), |preset| preset.name());
        Some((name.to_owned(), model.size))
    }

    /// The command that continues the run, unless there is nothing to continue.
    pub fn continued(&self) -> Option<String> {
        let resume = resume_command(&self.run.path);
        match self.state {
            RunState::Interrupted => {
                let most = self.settings.as_ref().and_then(|settings| settings.options.max_steps);
                let reached = most.filter(|most| self.progress().is_some_and(|state| state.step >= *most));
                Some(
                    reached
                        .map_or_else(|| resume.clone(), |most| format!("{resume} --max-steps {}", 2 * most)),
                )
            }
            RunState::Diverged => {
                let lr = self.settings.as_ref().map_or(1e-3, |settings| settings.config.lr);
                Some(format!("{resume} --lr {:e}", lr / 10.0))
            }
            RunState::Damaged if self.settings.is_some() && !self.checkpoints.is_empty() => Some(resume),
            RunState::Damaged | RunState::Running => None,
            RunState::Finished => Some(format!("{resume} --epochs {}", 2 * self.epochs().unwrap_or(1))),
        }
    }
}

/// The paths of the run in `folder`.
pub fn run_folder(folder: &Path) -> RunFolder {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    RunFolder { name, path: folder.to_path_buf(), samples: folder.join("samples") }
}

/// Whether `folder` is a run, or what is left of one.
pub fn is_run(folder: &Path) -> bool {
    folder.join("checkpoints").is_dir() && (folder.join(SETTINGS).is_file() || folder.join(METRICS).is_file())
}

fn read_settings(folder: &Path) -> Result<Settings, String> {
    let below = file::of_run(&folder.join(SETTINGS)).map_err(|error| error.to_string())?;
    Layers { given: Table::default(), below }.settings().map_err(|error| error.to_string())
}

/// The first file of a checkpoint whose length is not the one that it was written with, in words. Contents are not read.
fn damaged_file(folder: &Path, state: &State) -> Option<String> {
    state.files.iter().find_map(|(name, digest)| {
        let path = folder.join(name);
        let is = std::fs::metadata(&path).map(|file| file.len());
        let path = wgvae::data::printable(&path);
        match is {
            Ok(bytes) if bytes == digest.bytes => None,
            Ok(bytes) => {
                Some(format!("{path}: damaged: it has {bytes} bytes and was written with {}", digest.bytes))
            }
            Err(error) => Some(format!("{path}: {error}")),
        }
    })
}

/// Number and bytes of all files below `folder`.
pub fn files_below(folder: &Path) -> (usize, u64) {
    let files = WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = files.filter_map(|entry| entry.metadata().ok()).filter(|file| file.is_file());
    files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.len()))
}

/// Bytes of all files below `folder`.
pub fn size_of(folder: &Path) -> u64 {
    files_below(folder).1
}

/// The last line of a file of metrics that `wanted` accepts, among those near its end.
pub fn last_line(path: &Path, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().ok()?;
    // from the end: a folder may have many runs
    let lines = bytes.rsplit(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find(|line| line.is_object() && wanted(line))
}
