//! Display of a training, and formats of numbers and paths.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget};
use wgvae::config::ModelConfig;
use wgvae::data::{self, Skipped, printable};
use wgvae::train::{EpochMetrics, Observer, StepMetrics};

pub use super::bar::Bar;
use super::bar::{PLAIN_EVERY, is_drawn, style};
use super::output;

/// Shown while kernels are compiled and counted.
pub const COMPILING: &str = "compiling kernels";
/// Shown until the first step has finished.
pub const COMPILES: &str = "the first step compiles the kernels";
/// Largest number of unreadable files that are named one by one.
const MAX_NAMED: usize = 10;

/// "1.5 GiB".
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..units.len()).rev().find(|&u| bytes >= 1 << (10 * u)).unwrap_or(0);
    let value = bytes as f64 / (1u64 << (10 * unit)) as f64;
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// "55,975,555".
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let (bytes, mut text) = (digits.as_bytes(), String::new());
    for (at, digit) in bytes.iter().enumerate() {
        if at > 0 && (bytes.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(char::from(*digit));
    }
    text
}

/// Sizes of a model and its batches, as a line.
pub fn model(config: &ModelConfig, batch: u32, micro: u32) -> String {
    format!(
        "{config} ({} parameters), batch {batch} in micro-batches of {micro}",
        count(wgvae::model::parameter_count(config))
    )
}

/// "2 h 05 min", "3 min 20 s", "4.2 s".
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Peak memory of the process, if the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The display of a training.
pub struct Screen {
    bar: ProgressBar,
    quiet: bool,
    terminal: bool,
    epochs: u32,
    epoch: (u32, u64),
    /// the time when the first step of this process had finished, and its number
    pace: Option<(Instant, u64)>,
    estimated: bool,
    last_line: Instant,
    skipped: usize,
    /// kernels that are compiled so far, and the number of those of a step
    kernels: Option<(Arc<AtomicUsize>, usize)>,
    /// their progress, until the first step has finished
    compiling: Option<Bar>,
    /// the last epoch's pictures
    pub pictures: Vec<PathBuf>,
}

impl Screen {
    /// For a training of `epochs` epochs.
    pub fn new(quiet: bool, epochs: u32) -> Self {
        let terminal = is_drawn() && std::io::stdout().is_terminal();
        let bar = ProgressBar::hidden(); // until the first epoch
        bar.set_style(style("{prefix} [{bar:12}] {pos}/{len} {wide_msg}"));
        let now = Instant::now();
        Self {
            bar,
            quiet,
            terminal,
            epochs,
            epoch: (0, 0),
            pace: None,
            estimated: false,
            last_line: now,
            skipped: 0,
            kernels: None,
            compiling: None,
            pictures: Vec::new(),
        }
    }

    /// The first step compiles this number of kernels, which `counter` counts.
    pub fn compiles(&mut self, counter: Arc<AtomicUsize>, kernels: usize) {
        self.pace = None;
        self.kernels = Some((counter, kernels));
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        self.bar.suspend(|| output::say(line));
    }

    /// A labelled line of the start-up report.
    pub fn report(&self, what: &str, text: &str) {
        self.say(&format!("{what:10} {text}"));
    }

    /// Removes the bar.
    pub fn clear(&mut self) {
        self.compiling = None;
        self.bar.finish_and_clear();
    }

    /// Draws the bar of the epochs from now on.
    fn draw(&self) {
        // only once, because a new target does not remove the bar on the old one
        if self.terminal && !self.quiet && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Seconds to the end of the epoch. Unknown until a step after the first has been timed.
    fn left(&self, m: &StepMetrics) -> Option<f64> {
        let (began, first) = self.pace?;
        let steps = (m.step - first) as f64;
        let left = self.epoch.1.saturating_sub(m.step_in_epoch) as f64;
        (steps > 0.0).then(|| left * began.elapsed().as_secs_f64() / steps)
    }

    /// Prints once, after some steps, an estimate of the time.
    fn estimate(&mut self, metrics: &StepMetrics) {
        let Some((began, first)) = self.pace else {
            // the first step compiles the kernels: time from its end
            self.pace = Some((Instant::now(), metrics.step));
            return;
        };
        let (steps, seconds) = (metrics.step - first, began.elapsed().as_secs_f64());
        if self.estimated || !(steps == 8 || (seconds > 5.0 && steps >= 1)) {
            return;
        }
        self.estimated = true;
        let epoch = seconds / steps as f64 * self.epoch.1 as f64;
        let all = epoch * f64::from(self.epochs + 1 - self.epoch.0);
        let to_go = match self.epochs + 1 - self.epoch.0 {
            1 => "and this is the last one".to_owned(),
            number => format!("the remaining {number} about {}", duration(all)),
        };
        self.say(&format!("an epoch takes about {}, {to_go}", duration(epoch)));
    }
}

/// Name of the negative log-likelihood of the pixels.
fn of_pixels(bce: Option<f64>) -> &'static str {
    if bce.is_some() { "BCE" } else { "NLL" }
}

impl Observer for Screen {
    fn epoch_begins(&mut self, epoch: u32, steps: u64, step_in_epoch: u64) {
        self.epoch = (epoch, steps);
        self.bar.reset();
        self.bar.set_message("");
        self.bar.set_length(steps);
        self.bar.set_position(step_in_epoch);
        self.bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
        if let (None, Some((counter, kernels))) = (self.pace, &self.kernels) {
            self.compiling = Some(Bar::counting(COMPILING, counter, *kernels, self.quiet));
        } else {
            self.draw();
        }
    }

    fn step(&mut self, m: &StepMetrics) {
        if self.compiling.take().is_some() {
            self.draw();
        }
        self.estimate(m);
        let left = self.left(m).map_or(String::new(), |left| format!("{} left, ", duration(left)));
        let pace = format!("{:.1} img/s, {left}loss {:.1}", m.images_per_second, m.loss);
        self.bar.set_position(m.step_in_epoch);
        // short enough for 80 columns
        self.bar.set_message(format!("{pace}, KL {:.2}", m.kl));
        if !self.terminal && self.last_line.elapsed() > PLAIN_EVERY {
            self.last_line = Instant::now();
            let text = format!("{pace}, {} {:.1}, KL {:.2}", of_pixels(m.bce), m.nll, m.kl);
            self.say(&format!("epoch {} step {}/{}: {text}", m.epoch, m.step_in_epoch, self.epoch.1));
        }
    }

    fn epoch_ends(&mut self, m: &EpochMetrics, pictures: &[PathBuf]) {
        let validation = m.validation_loss.map_or(String::new(), |loss| {
            let bits =
                m.validation_bits_per_dim.map_or(String::new(), |bits| format!(", {bits:.3} bits/dim"));
            format!(", validation {loss:.1}{}{bits}", if m.best { " (best)" } else { "" })
        });
        self.say(&format!(
            "epoch {}/{}: loss {:.1} ({} {:.1}, KL {:.2}){validation}; {:.1} img/s, {}",
            m.epoch,
            self.epochs,
            m.train_loss,
            of_pixels(m.train_bce),
            m.train_nll,
            m.train_kl,
            m.images_per_second,
            duration(m.seconds)
        ));
        self.pictures = pictures.to_vec();
    }

    fn saved(&mut self, checkpoint: &Path) {
        self.say(&format!("wrote {}, as asked by a signal", shown(checkpoint)));
    }

    fn skipped(&mut self, problem: &Skipped) {
        self.skipped += 1;
        if self.skipped <= MAX_NAMED {
            self.say(&format!("skipped {problem}"));
        } else if self.skipped == MAX_NAMED + 1 {
            self.say("more files are skipped; `wgvae data check` lists all of them");
        }
    }

    fn advice(&mut self, line: &str) {
        self.say(&format!("advice: {line}"));
    }
}

/// Reports files that were left out, the first few by name.
pub fn name_skipped(screen: &Screen, skipped: &[Skipped]) {
    let lines = data::named(skipped);
    for line in lines.iter().take(MAX_NAMED) {
        screen.say(&format!("skipped {line}"));
    }
    if lines.len() > MAX_NAMED {
        screen.say(&format!("and {} more; `wgvae data check` lists all of them", lines.len() - MAX_NAMED));
    }
}

/// `path` in printable form.
pub fn shown(path: &Path) -> String {
    printable(path)
}

/// `path` as an argument of a command that is shown.
pub fn argument(path: &Path) -> String {
    let path = shown(path);
    if path.contains(' ') { format!("{path:?}") } else { path }
}
