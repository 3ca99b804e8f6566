//! Outlook of a training before its first step: steps, time, memory, and warnings of settings that will not go well.
//! Read this to add a line or a warning.

use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde_json::Value;
use wgvae::checkpoint::{self, State};
use wgvae::config::TrainConfig;
use wgvae::gpu::{Adapter, Element};
use wgvae::model::{ModelOptions, architectures};
use wgvae::ops::Tuning;
use wgvae::train::METRICS;

use super::settings::Settings;
use crate::commands::bench::Probe;
use crate::commands::runs::last_line;
use crate::commands::terminal::{Bar, COMPILES, Screen, bytes, count, duration, shown};

/// Steps below which a training learns next to nothing, and steps that are advised instead.
const FEW_STEPS: [u64; 2] = [300, 1000];
/// Batch that is advised for few steps.
const SMALL_BATCH: u32 = 16;
/// Training pictures that a model learns by heart.
const FEW_PICTURES: usize = 20;
/// Part of the computed pictures that are padding, from which on it is reported.
const PADDING: f64 = 0.25;
/// Floating-point operations of a training per second and core on software adapters, roughly.
const CORE_FLOPS: f64 = 20e9;
/// Seconds from which on a training on a software adapter is called long.
const LONG: f64 = 1800.0;
/// Steps and seconds of a probe after its first step.
const PROBE: (u64, f64) = (8, 3.0);

/// The speed of a training, and how it is known.
pub(super) struct Pace {
    pub(super) images_per_second: f64,
    /// "as runs/landscapes"
    pub(super) source: String,
}

impl Pace {
    /// That of the newest earlier run with this model and batch on this adapter.
    pub(super) fn of_earlier(runs: &Path, config: &TrainConfig, adapter: &str) -> Option<Self> {
        let alike = |state: &State| {
            let (one, other) = (&state.config, config);
            state.adapter == adapter
                && (one.model, one.batch_size, one.precision)
                    == (other.model, other.batch_size, other.precision)
                && (one.objective.mmd > 0.0) == (other.objective.mmd > 0.0)
        };
        let entries = std::fs::read_dir(runs).ok()?.filter_map(std::result::Result::ok);
        let found = entries.filter_map(|entry| {
            let run = entry.path();
            let (_, state) = checkpoint::list(&run.join("checkpoints")).ok()?.whole.pop()?;
            let metrics = run.join(METRICS);
            let written = std::fs::metadata(&metrics).ok()?.modified().ok()?;
            alike(&state).then_some((written, run, metrics))
        });
        let (_, run, metrics) = found.max_by_key(|(written, ..)| *written)?;
        let speed = |line: &Value| line["images_per_second"].as_f64().filter(|speed| *speed > 0.0);
        let line = last_line(&metrics, |line| speed(line).is_some())?;
        let images_per_second = speed(&line)?;
        Some(Self { images_per_second, source: format!("as {}", shown(&run)) })
    }

    /// That of a few steps on random pictures.
    pub(super) fn of_probe(
        adapter: &Adapter,
        tuning: &Tuning,
        build: ModelOptions,
        quiet: bool,
    ) -> Result<Self> {
        let bar = Bar::logged(COMPILES, quiet);
        let mut probe = Probe::new(adapter, tuning, ModelOptions { resident: 0, ..build })?;
        probe.step(0)?;
        let began = Instant::now();
        let mut steps = 0;
        while steps < PROBE.0 && (steps == 0 || began.elapsed().as_secs_f64() < PROBE.1) {
            steps += 1;
            probe.step(steps)?;
            bar.step("timing steps", steps as usize, PROBE.0 as usize);
        }
        let images_per_second = steps as f64 * f64::from(build.batch) / began.elapsed().as_secs_f64();
        let steps = wgvae::data::counted(steps as usize, "step");
        Ok(Self { images_per_second, source: format!("timed in {steps} on random pictures") })
    }
}

/// The work of a training from its present state to its end.
pub(super) struct Outlook<'a> {
    pub(super) settings: &'a Settings,
    pub(super) state: Option<&'a State>,
    /// training pictures
    pub(super) pictures: usize,
    pub(super) adapter: &'a Adapter,
    pub(super) build: ModelOptions,
    /// a flow is fitted after the last epoch, with the number of operations of the training
    pub(super) flow: bool,
}

impl Outlook<'_> {
    fn config(&self) -> &TrainConfig {
        &self.settings.config
    }

    /// Steps of an epoch.
    fn epoch(&self) -> u64 {
        self.pictures.div_ceil(self.config().batch_size as usize) as u64
    }

    /// Steps of the whole run.
    fn all(&self) -> u64 {
        let all = self.epoch() * u64::from(self.config().epochs);
        self.settings.options.max_steps.map_or(all, |most| most.min(all))
    }

    /// Steps that are still to do.
    pub(super) fn steps(&self) -> u64 {
        let done =
            self.state.map_or(0, |state| u64::from(state.epoch - 1) * self.epoch() + state.step_in_epoch);
        self.all().saturating_sub(done)
    }

    /// Pictures that are still to be trained on.
    fn images(&self) -> f64 {
        self.pictures as f64 * self.steps() as f64 / self.epoch().max(1) as f64
    }

    /// Seconds at this speed.
    pub(super) fn seconds(&self, pace: &Pace) -> f64 {
        self.images() / pace.images_per_second
    }

    /// The lines on the model, its batches and its steps. `memory` is that of the plan.
    pub(super) fn report(&self, screen: &Screen, (micro, memory): (u32, u64), pace: Option<&Pace>) {
        let config = self.config();
        let parameters = count(wgvae::model::parameter_count(&config.model));
        screen.report("model", &format!("{}: {parameters} parameters", config.model));
        let own = self.build.own_batch();
        let rounds = own.div_ceil(micro);
        let parts =
            if rounds == 1 { "at once".into() } else { format!("in {rounds} micro-batches of {micro}") };
        let parts = if own < config.batch_size { format!("of which {own} here, {parts}") } else { parts };
        let half =
            if config.precision == Element::F16 { ", activations and their gradients in f16" } else { "" };
        let stay = if self.build.resident > 0 { " with the training pictures" } else { "" };
        let memory = bytes(memory);
        screen.report(
            "batch",
            &format!("{} pictures {parts}; {memory} on the device{stay}{half}", config.batch_size),
        );
        screen.report("steps", &self.length(pace));
    }

    /// "70 in all, 10 epochs of 7; about 12 s as runs/a".
    fn length(&self, pace: Option<&Pace>) -> String {
        let (all, left) = (self.all(), self.steps());
        let to_go = if left < all { format!(", {} to go", count(left)) } else { String::new() };
        let limit = self.settings.options.max_steps.filter(|most| *most <= all);
        let limit = limit.map_or_else(String::new, |most| format!(", at most {} (--max-steps)", count(most)));
        let epochs = format!("{} epochs of {}", self.config().epochs, count(self.epoch()));
        let time = pace.map_or_else(String::new, |pace| {
            let time = duration(self.seconds(pace));
            format!("; about {time} ({:.1} img/s, {})", pace.images_per_second, pace.source)
        });
        let flow = if pace.is_some() && self.flow { ", then as much work again for the flow" } else { "" };
        format!("{} in all{to_go}: {epochs}{limit}{time}{flow}", count(all))
    }

    /// Warnings of settings that will not go well, with the flags that mend them.
    pub(super) fn warnings(&self, micro: u32, pace: Option<&Pace>) -> Vec<String> {
        let few = self.few_pictures().or_else(|| self.few_steps());
        [few, self.padding(micro), self.slow(pace)].into_iter().flatten().collect()
    }

    fn few_pictures(&self) -> Option<String> {
        let pictures = self.pictures;
        (pictures < FEW_PICTURES && self.settings.options.data.is_some()).then(|| {
            let them = wgvae::data::counted(pictures, "training picture");
            format!("{them}: a model learns so few by heart, and nothing else; some hundreds are a beginning")
        })
    }

    fn few_steps(&self) -> Option<String> {
        let all = self.all();
        if all >= FEW_STEPS[0] {
            return None;
        }
        // a limit that was asked for is a test of something else
        if self.settings.options.max_steps.is_some_and(|most| most <= all) {
            return None;
        }
        let config = self.config();
        // the batch of a run cannot change
        let batch = if self.state.is_some() { config.batch_size } else { config.batch_size.min(SMALL_BATCH) };
        let steps = self.pictures.div_ceil(batch as usize).max(1) as u64;
        let smaller =
            if batch < config.batch_size { format!("--batch-size {batch} ") } else { String::new() };
        let epochs = FEW_STEPS[1].div_ceil(steps);
        let images = self.pictures as f64 * epochs as f64;
        let smaller = if self.state.is_none() && self.roughly(images) > LONG {
            "--preset demo ".into()
        } else {
            smaller
        };
        let all = wgvae::data::counted(all as usize, "step");
        Some(format!(
            "{all} in all: too few to learn more than the mean picture; give {smaller}--epochs {epochs}"
        ))
    }

    /// The last micro-batch of a batch is computed whole, however few pictures it has.
    fn padding(&self, micro: u32) -> Option<String> {
        let (pictures, batch, micro) = (self.pictures, self.config().batch_size as usize, micro as usize);
        let computed = |batch: usize, micro: usize| {
            let rest = pictures % batch;
            pictures / batch * batch.div_ceil(micro) * micro + rest.div_ceil(micro) * micro
        };
        let share = |computed: usize| 1.0 - pictures as f64 / computed as f64;
        if self.state.is_some() || share(computed(batch, micro)) < PADDING {
            return None;
        }
        // an equal number of steps, each of one size
        let better = pictures.div_ceil(pictures.div_ceil(batch));
        let percent = 100.0 * share(computed(batch, micro));
        Some(format!(
            "{pictures} training pictures do not fill batches of {batch}: {percent:.0} % of the work is padding; give \
             --batch-size {better}"
        ))
    }

    /// Seconds for this number of pictures on a software adapter, by their operations; 0 on a GPU, whose speed is unknown.
    fn roughly(&self, images: f64) -> f64 {
        let flops = 3.0 * architectures::forward_flops(&self.config().model) as f64 * images;
        if self.adapter.is_software() { flops / (CORE_FLOPS * cores() as f64) } else { 0.0 }
    }

    fn slow(&self, pace: Option<&Pace>) -> Option<String> {
        if !self.adapter.is_software() {
            return None;
        }
        let seconds = pace.map_or_else(|| self.roughly(self.images()), |pace| self.seconds(pace));
        (seconds > LONG).then(|| {
            let (time, cores) = (duration(seconds), cores());
            format!(
                "a software adapter computes on {cores} CPU cores: roughly {time}; give --preset demo or a smaller --size \
                 and --hidden; `wgvae adapters` says why a GPU is missing"
            )
        })
    }
}

/// Cores of the CPU that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
