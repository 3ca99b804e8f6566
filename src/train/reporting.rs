//! Reporting in addition to the metrics file: TensorBoard events and the advisor.
//! Read this for what happens after each step and each epoch.
//!
//! Order on disk: checkpoint, events, sample grids. The events of an epoch are one record. If the grids exist, the
//! events were written; otherwise a resumed process writes the events of that step again and tells TensorBoard from
//! which step on it does so (see [`EventFile::begin`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::diagnostics::{Advisor, Curves, Setup};
use super::metrics::{AdviceLine, LatentMetrics, MetricsFile};
use super::run::METRICS;
use super::{EpochMetrics, Observer, RunFolder, Splits, StepMetrics, sample_grids};
use crate::checkpoint::State;
use crate::data::{self, Batch, Dataset};
use crate::error::Result;
use crate::generate;
use crate::model::{Latents, Vae};
use crate::report::{EventFile, Histogram, Summary};

/// Number of pictures whose latents are inspected after each epoch.
const MAX_LATENTS: usize = 256;
/// Fields of a metrics line that are positions, not values.
const POSITION_FIELDS: [&str; 3] = ["step", "epoch", "step_in_epoch"];

/// TensorBoard events and the advisor of a training.
pub(super) struct Reporter {
    events: EventFile,
    advisor: Advisor,
    /// microseconds of the epoch spent waiting for pictures
    waited: Arc<AtomicU64>,
    /// learning rate and beta of the last step
    last: (f64, f64),
    /// last lines of metrics.jsonl, if their events may be missing
    again: Vec<Value>,
}

impl Reporter {
    /// Begins an event file for a training at `state`.
    pub(super) fn begin(vae: &Vae, data: &Splits, run: &RunFolder, state: &State) -> Result<Self> {
        let (latent, batch) = (state.config.model.latents(), state.config.batch_size);
        let decoded = if vae.resident() > 0 { 0 } else { data.train.decoded_each_time() };
        let pictures = data.train.len();
        let setup = Setup { latent, batch, micro: vae.micro_batch(), pictures, decoded };
        let advisor = Advisor::with_config(setup, &state.config);
        let whole = state.step_in_epoch == 0 && run.has_sample_grids(state);
        let events = EventFile::begin(&run.path, state.step + u64::from(whole))?;
        let again = if whole { Vec::new() } else { last_lines(&run.path.join(METRICS), state) };
        let config = &state.config;
        let mut reporter =
            Self { events, advisor, waited: Arc::default(), last: (config.lr, config.beta), again };
        if let Some(step) = reporter.again.iter().find(|line| line["kind"] == "step") {
            reporter.events.write(state.step, scalars(Summary::default(), step))?;
        }
        Ok(reporter)
    }

    /// Passes on the advice before the first step.
    pub(super) fn begins(
        &mut self,
        file: &mut MetricsFile,
        state: &State,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let advice = self.advisor.begins();
        advice.iter().try_for_each(|line| advise(line, (state.step, state.epoch), file, observer))
    }

    /// Wraps `batches` and measures the waiting time for each.
    pub(super) fn timed(
        &self,
        mut batches: Box<dyn Iterator<Item = Batch>>,
    ) -> Box<dyn Iterator<Item = Batch>> {
        let waited = self.waited.clone();
        waited.store(0, Ordering::Relaxed);
        Box::new(std::iter::from_fn(move || {
            let began = Instant::now();
            let batch = batches.next();
            waited.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            batch
        }))
    }

    /// Reports the metrics of a step.
    pub(super) fn step(
        &mut self,
        metrics: &StepMetrics,
        file: &mut MetricsFile,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.last = (metrics.lr, metrics.beta);
        if let Some(line) = self.advisor.step(metrics.step, metrics.kl) {
            advise(&line, (metrics.step, metrics.epoch), file, observer)?;
        }
        self.events.write(metrics.step, scalars(Summary::default(), &json(metrics)))
    }

    /// Writes the sample grids and the events of a finished epoch, and then notifies `observer`.
    pub(super) fn epoch(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
        (metrics, file): (&EpochMetrics, &mut MetricsFile),
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (kl, written) = self.report_epoch(vae, (data, run, state), (&json(metrics), file))?;
        // unwritable pictures must not end a training
        let written = written.unwrap_or_else(|error| {
            observer.advice(&format!("{error}; the training goes on without these pictures"));
            Vec::new()
        });
        observer.epoch_ends(metrics, &written);
        let curves = Curves {
            epoch: metrics.epoch,
            step: metrics.step,
            train_loss: metrics.train_loss,
            train_kl: metrics.train_kl,
            validation_loss: metrics.validation_loss,
            lr: self.last.0,
            beta: self.last.1,
            seconds: metrics.seconds,
            waited: self.waited.load(Ordering::Relaxed) as f64 / 1e6,
            kl,
        };
        let advice = self.advisor.epoch(curves);
        advice.iter().try_for_each(|line| advise(line, (metrics.step, metrics.epoch), file, observer))
    }

    /// Writes the missing sample grids and events of the last epoch, if the process was killed between its checkpoint
    /// and them.
    pub(super) fn catch_up(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
        file: &mut MetricsFile,
    ) -> Result<()> {
        if !run.has_sample_grids(state) {
            let line = self.again.iter().find(|line| line["kind"] == "epoch").cloned().unwrap_or_default();
            // pictures that cannot be written now either are not worth a failure
            let _ = self.report_epoch(vae, (data, run, state), (&line, file))?;
        }
        Ok(())
    }

    /// Draws the sample grids of the epoch before `state`, and writes its events with the values of `line`. Returns
    /// each dimension's KL divergence, and the paths in the samples folder, if they could be written.
    fn report_epoch(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
        (line, file): (&Value, &mut MetricsFile),
    ) -> Result<(Vec<f64>, Result<Vec<PathBuf>>)> {
        // with the averaged parameters (EMA), if there are any
        vae.swap_average()?;
        let latents = latents(vae, data.validation.as_ref().unwrap_or(&data.train))?;
        let kl = generate::divergences(&latents.mu, &latents.logvar, vae.config().latents() as usize);
        // a killed process may have written the line, and no grids
        let epoch = state.epoch - 1;
        if !self.again.iter().any(|line| line["kind"] == "latents" && line["epoch"] == epoch) {
            file.write(&LatentMetrics::new(state.step, epoch, &kl, vae.config().cells()))?;
        }
        let grids = sample_grids::grids(vae, data, state)?;
        vae.swap_average()?;
        let mut summary = scalars(Summary::default(), line);
        let distributions = [
            ("latents/mu", Histogram::of(latents.mu.iter().map(|&mu| f64::from(mu)))),
            ("latents/kl", Histogram::of(kl.iter().copied())),
        ];
        for (tag, histogram) in distributions {
            summary =
                histogram.into_iter().fold(summary, |summary, histogram| summary.histogram(tag, &histogram));
        }
        for (name, sheet) in &grids {
            summary = summary.picture(&format!("pictures/{name}"), sheet.dimensions(), &data::png(sheet)?);
        }
        self.events.write(state.step, summary)?;
        Ok((kl, sample_grids::write(run, epoch, &grids)))
    }
}

/// Mean and log variance of the first pictures, one micro-batch at a time; unreadable pictures are skipped.
fn latents(vae: &mut Vae, pictures: &Dataset) -> Result<Latents> {
    let mut all = Latents { mu: Vec::new(), logvar: Vec::new() };
    let indices: Vec<usize> = (0..pictures.len().min(MAX_LATENTS)).collect();
    for some in indices.chunks(vae.micro_batch() as usize) {
        let rgb: Vec<_> = some.iter().filter_map(|&index| pictures.get(index).ok()).collect();
        let rgba: Vec<u32> = rgb.iter().flat_map(|rgb| data::rgba_of(rgb)).collect();
        let latents = vae.encode_rgba(&rgba, rgb.len() as u32)?;
        all.mu.extend(latents.mu);
        all.logvar.extend(latents.logvar);
    }
    Ok(all)
}

fn json(line: &impl Serialize) -> Value {
    serde_json::to_value(line).unwrap_or_default()
}

/// Adds the values of a metrics.jsonl line as scalars named by kind and field: "step/loss", "epoch/validation_loss".
fn scalars(summary: Summary, line: &Value) -> Summary {
    let kind = line["kind"].as_str().unwrap_or_default();
    let figures =
        line.as_object().into_iter().flatten().filter(|(name, _)| !POSITION_FIELDS.contains(&name.as_str()));
    let numbers = figures.filter_map(|(name, value)| Some((name, value.as_f64()?)));
    numbers.fold(summary, |summary, (name, value)| summary.scalar(&format!("{kind}/{name}"), value))
}

/// The last lines of metrics.jsonl that belong to the step of `state`, the newest first.
fn last_lines(path: &Path, state: &State) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.take_while(|line| line["step"] == state.step).collect()
}

/// Passes advice on to `observer`, and to `file` for readers of the run.
fn advise(
    text: &str,
    (step, epoch): (u64, u32),
    file: &mut MetricsFile,
    observer: &mut dyn Observer,
) -> Result<()> {
    observer.advice(text);
    file.write(&AdviceLine { kind: "advice", step, epoch, text })
}
