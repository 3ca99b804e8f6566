//! One run as its files tell: curves, latents, advice, settings, pictures, sizes.
//! Read this for what is known of a run, and for how each part stays bounded.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::curves::{Curves, Part};
use super::files::Files;
use super::inside;
use super::lines::{EPOCH, Line, STEP};
use super::tail::{Found, Tail};
use crate::data::counted;
use crate::error::printable_text;
use crate::train::{FORMAT, METRICS, SETTINGS, STOP};

/// Largest numbers of pieces of advice, of epochs whose latents are kept, of values of each, and of settings.
const MAX_ADVICE: usize = 40;
const MAX_SNAPSHOTS: usize = 64;
const MAX_LATENTS: usize = 4096;
const MAX_SETTINGS: usize = 300;
/// Largest number of characters of a text, and largest size of the file of settings in bytes.
const MAX_TEXT: usize = 600;
const MAX_CONFIG: u64 = 1 << 18;
/// Time between two looks at pictures, settings and sizes.
const FILES_EVERY: Duration = Duration::from_secs(2);

/// A text from a file, on one line, and of bounded length.
pub(super) fn bounded(text: &str) -> String {
    let mut all = printable_text(&text.chars().take(MAX_TEXT).collect::<String>());
    if text.chars().nth(MAX_TEXT).is_some() {
        all.push_str(" (cut)");
    }
    all
}

/// The first line of a process.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
struct Begun {
    version: Option<String>,
    time: Option<u64>,
    epochs: Option<u64>,
    steps_per_epoch: Option<u64>,
    pictures: Option<u64>,
    held_out: Option<u64>,
    parameters: Option<u64>,
    latents: Option<u64>,
    cells: Option<u64>,
    adapter: Option<String>,
    device_bytes: Option<u64>,
}

/// A piece of advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Advice {
    step: u64,
    epoch: u64,
    text: String,
}

/// KL divergences after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Latents {
    pub(super) epoch: u64,
    kl: Vec<f32>,
    cells: Vec<f32>,
}

/// The newest figures.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
struct Last {
    step: Option<u64>,
    epoch: Option<u64>,
    /// figures of the last step and of the last epoch by name
    figures: BTreeMap<&'static str, f64>,
    /// epoch and validation loss of the best epoch
    best: Option<(u64, f64)>,
}

/// Everything that the lines of the metrics tell.
#[derive(Debug)]
struct Told {
    steps: Curves,
    epochs: Curves,
    latents: VecDeque<Latents>,
    /// every how many epochs the latents are kept
    stride: u64,
    advice: VecDeque<Advice>,
    begun: Begun,
    last: Last,
    /// "finished", "early", "stopped", "limited" or "diverged", if it has ended
    ended: Option<String>,
    /// newest format, if this program does not know it
    newer: Option<(u64, String)>,
    /// lines that are no lines of metrics
    unreadable: u64,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            steps: Curves::new(STEP),
            epochs: Curves::new(EPOCH),
            latents: VecDeque::new(),
            stride: 1,
            advice: VecDeque::new(),
            begun: Begun::default(),
            last: Last::default(),
            ended: None,
            newer: None,
            unreadable: 0,
        }
    }
}

impl Told {
    fn take(&mut self, text: &[u8]) {
        if text.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else {
            self.unreadable += 1;
            return;
        };
        let (step, epoch) = (line.step.unwrap_or(0), line.epoch.unwrap_or(0));
        match &*line.kind {
            "step" if line.step.is_some() => {
                self.ended = None;
                self.steps.push(step, &line.of_step());
                self.figures(STEP, &line.of_step());
                (self.last.step, self.last.epoch) = (line.step, line.epoch.or(self.last.epoch));
            }
            "epoch" if line.epoch.is_some() => {
                let values = line.of_epoch();
                self.epochs.push(epoch, &values);
                self.figures(&EPOCH[1..], &values[1..]);
                self.last.epoch = line.epoch;
                let loss = EPOCH.iter().position(|name| *name == "validation_loss").and_then(|at| values[at]);
                // a resumed training may begin before the best epoch
                self.last.best = self.last.best.filter(|(best, _)| *best < epoch);
                if let Some(loss) = loss.filter(|loss| self.last.best.is_none_or(|(_, best)| *loss < best)) {
                    self.last.best = Some((epoch, loss));
                }
            }
            "latents" => self.latents(epoch, line),
            "advice" => {
                if let Some(text) = &line.text {
                    self.advice.push_back(Advice { step, epoch, text: bounded(text) });
                    self.advice.drain(..self.advice.len().saturating_sub(MAX_ADVICE));
                }
            }
            "start" => self.begins(&line),
            "end" => self.ended = Some(bounded(line.outcome.as_deref().unwrap_or("finished"))),
            "diverged" => self.ended = Some("diverged".into()),
            // a kind of a later version
            _ => {}
        }
    }

    fn figures(&mut self, names: &'static [&'static str], values: &[Option<f64>]) {
        let found = names.iter().zip(values).filter_map(|(name, value)| Some((*name, (*value)?)));
        self.last.figures.extend(found.filter(|(_, value)| value.is_finite()));
    }

    fn begins(&mut self, line: &Line<'_>) {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(bounded);
        let Line { time, epochs, steps_per_epoch, pictures, held_out, .. } = *line;
        let Line { parameters, latents, cells, device_bytes, .. } = *line;
        let (version, adapter) = (text(&line.version), text(&line.adapter));
        if let Some(format) = line.format.filter(|format| *format > FORMAT.into()) {
            self.newer = Some((format, version.clone().unwrap_or_default()));
        }
        self.ended = None;
        self.begun = Begun {
            version,
            time,
            epochs,
            steps_per_epoch,
            pictures,
            held_out,
            parameters,
            latents,
            cells,
            adapter,
            device_bytes,
        };
    }

    /// Keeps the latents of an epoch, and of earlier ones every second, fourth and so on if there are many.
    fn latents(&mut self, epoch: u64, line: Line<'_>) {
        self.figures(&["unused"], &[line.unused]);
        let Some([kl, cells]) = line.into_kl() else { return };
        if kl.len() > MAX_LATENTS || cells.len() > MAX_LATENTS {
            return;
        }
        self.latents.retain(|kept| kept.epoch < epoch);
        // the newest is kept in any case
        if self.latents.back().is_some_and(|kept| kept.epoch % self.stride != 0) {
            self.latents.pop_back();
        }
        self.latents.push_back(Latents { epoch, kl, cells });
        while self.latents.len() > MAX_SNAPSHOTS {
            self.stride *= 2;
            let stride = self.stride;
            self.latents.retain(|kept| kept.epoch % stride == 0 || kept.epoch == epoch);
            if stride > 1 << 40 {
                self.latents.drain(..self.latents.len() - MAX_SNAPSHOTS);
            }
        }
    }
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    /// name for addresses: a digest of the path
    pub(super) id: String,
    /// the folder's name, printable
    pub(super) name: String,
    /// canonical path of the folder
    pub(super) path: PathBuf,
    tail: Tail,
    told: Told,
    files: Files,
    looked: Option<Instant>,
    /// settings by name, in the order of the file
    settings: Vec<(String, String)>,
    settings_changed: Option<SystemTime>,
    /// reasons why a file cannot be read
    problems: Vec<String>,
    stopping: bool,
    /// newest refresh in which anything but the curves has changed
    changed: u64,
    /// digest of everything but the curves in that refresh
    said: u32,
}

impl Run {
    pub(super) fn new(path: PathBuf) -> Self {
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        Self {
            id: digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
            name: bounded(&path.file_name().unwrap_or_default().to_string_lossy()),
            path,
            tail: Tail::default(),
            told: Told::default(),
            files: Files::default(),
            looked: None,
            settings: Vec::new(),
            settings_changed: None,
            problems: Vec::new(),
            stopping: false,
            changed: 0,
            said: 0,
        }
    }

    /// Reads what is new, until `deadline`; returns whether there is more.
    pub(super) fn refresh(&mut self, refresh: u64, deadline: Instant) -> bool {
        self.problems.clear();
        let Self { tail, told, .. } = self;
        let told = std::cell::RefCell::new(told);
        let mut again = || **told.borrow_mut() = Told::restarted();
        let read =
            tail.read((&self.path, METRICS), deadline, &mut again, &mut |line| told.borrow_mut().take(line));
        // a run that has only begun has settings, and no metrics yet
        let begins = || !self.path.join(METRICS).exists() && self.path.join(SETTINGS).exists();
        let more = read.unwrap_or_else(|reason| {
            if !begins() {
                self.problems.push(reason);
            }
            Found::All
        });
        if self.looked.is_none_or(|looked| looked.elapsed() >= FILES_EVERY) {
            self.looked = Some(Instant::now());
            self.files.refresh(&self.path);
            self.read_settings();
        }
        self.problems.extend(self.settings_problem());
        self.stopping = self.path.join(STOP).symlink_metadata().is_ok();
        self.told.steps.mark(refresh);
        self.told.epochs.mark(refresh);
        let said = crc32fast::hash(&serde_json::to_vec(&self.about(true)).unwrap_or_default());
        if said != self.said {
            (self.said, self.changed) = (said, refresh);
        }
        more == Found::More
    }

    fn settings_problem(&self) -> Option<String> {
        self.settings_changed.is_none().then(|| inside::metadata(&self.path, SETTINGS).err()).flatten()
    }

    fn read_settings(&mut self) {
        let Ok(changed) = inside::metadata(&self.path, SETTINGS)
            .and_then(|about| about.modified().map_err(|error| error.to_string()))
        else {
            self.settings_changed = None;
            return;
        };
        if self.settings_changed == Some(changed) {
            return;
        }
        self.settings_changed = Some(changed);
        let text = inside::read(&self.path, SETTINGS, MAX_CONFIG);
        let text =
            text.and_then(|text| String::from_utf8(text).map_err(|_| "config.toml is not text".into()));
        let table = text.and_then(|text| {
            text.parse::<toml::Table>().map_err(|_| "config.toml is not a file of settings".to_owned())
        });
        self.settings = match table {
            Ok(table) => table
                .iter()
                .take(MAX_SETTINGS)
                .map(|(name, value)| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    (bounded(name), bounded(&text))
                })
                .collect(),
            Err(reason) => vec![("config.toml".into(), reason)],
        };
    }

    /// Everything that is known of the run beside its curves. Without ages, it changes only if the run does.
    fn about(&self, timeless: bool) -> About<'_> {
        let Told { advice, begun, last, ended, latents, .. } = &self.told;
        let age = self.tail.changed().and_then(|changed| changed.elapsed().ok());
        About {
            name: &self.name,
            begun,
            last,
            ended: ended.as_deref(),
            stopping: self.stopping,
            advice,
            settings: &self.settings,
            files: &self.files,
            latents: latents.back().map(|latents| latents.epoch),
            notes: self.notes(),
            age: age.filter(|_| !timeless).map(|age| age.as_secs()),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.problems.clone();
        if let Some((format, version)) = &self.told.newer {
            notes.push(format!(
                "written by a newer wgvae ({version}, format {format} of the metrics; this one knows {FORMAT}): figures \
                 may be missing here"
            ));
        }
        let lines = |count: u64| counted(count as usize, "line");
        if self.told.unreadable > 0 {
            notes.push(format!("{} of {METRICS} could not be understood", lines(self.told.unreadable)));
        }
        if self.tail.too_long > 0 {
            notes.push(format!("{} of {METRICS} too long to be read", lines(self.tail.too_long)));
        }
        notes.extend(self.files.notes());
        notes
    }

    /// The changes after the refresh `since`.
    pub(super) fn after(&self, since: u64) -> Option<Changed<'_>> {
        let (steps, epochs) = (self.told.steps.after(since), self.told.epochs.after(since));
        let is_new = self.changed > since;
        (is_new || steps.is_some() || epochs.is_some()).then(|| Changed {
            id: &self.id,
            about: self.about(false),
            steps,
            epochs,
        })
    }

    /// The latents of all kept epochs.
    pub(super) fn latents(&self) -> &VecDeque<Latents> {
        &self.told.latents
    }

    /// Files that the page shows.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Asks the training to stop with a checkpoint, by a file in its folder.
    pub(super) fn stop(&self) -> Result<(), String> {
        if let Some(ended) = &self.told.ended {
            return Err(format!("{} is not training: {ended}", self.name));
        }
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(self.path.join(STOP));
        match file {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(format!("the request to stop cannot be written into {}: {error}", self.name)),
        }
    }
}

impl Told {
    /// For a file that is read from its begin again.
    fn restarted() -> Self {
        let [steps, epochs] = [STEP, EPOCH].map(Curves::replacing);
        Self { steps, epochs, ..Self::default() }
    }
}

/// A run in an answer.
#[derive(Serialize)]
pub(super) struct Changed<'a> {
    id: &'a str,
    #[serde(flatten)]
    about: About<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<Part<'a>>,
}

#[derive(Serialize)]
struct About<'a> {
    name: &'a str,
    begun: &'a Begun,
    last: &'a Last,
    ended: Option<&'a str>,
    stopping: bool,
    advice: &'a VecDeque<Advice>,
    settings: &'a [(String, String)],
    files: &'a Files,
    latents: Option<u64>,
    notes: Vec<String>,
    /// seconds since the metrics have changed
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
}
