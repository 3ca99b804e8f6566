//! What watches a training besides its metrics: TensorBoard's events and the advisor.
//!
//! An epoch's events are one record, written after its checkpoint and before its pictures. So where the pictures are
//! there, the events are; where they are not, the events of that step are said again, all of them: a process that
//! goes on tells TensorBoard from which step on it does so (see [`EventFile::begin`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::diagnostics::{Advisor, Figures, Setup};
use super::run::METRICS;
use super::{EpochMetrics, Observer, RunFolder, Splits, StepMetrics, sample_grids};
use crate::checkpoint::State;
use crate::data::{self, Batch, Dataset};
use crate::error::Result;
use crate::generate;
use crate::model::{Latents, Vae};
use crate::report::{EventFile, Histogram, Summary};

/// Pictures whose latents are looked at after each epoch.
const LOOKED_AT: usize = 256;
/// What a line of metrics says besides its figures.
const PLACES: [&str; 3] = ["step", "epoch", "step_in_epoch"];

/// Events and advisor of one training.
pub(super) struct Reporter {
    events: EventFile,
    advisor: Advisor,
    /// microseconds of the epoch spent waiting for pictures
    waited: Arc<AtomicU64>,
    /// learning rate and beta of the last step
    last: (f64, f64),
    /// the last lines of metrics.jsonl, where their events may be missing
    again: Vec<Value>,
}

impl Reporter {
    /// Begins an event file for a training that stands at `state`.
    pub(super) fn begin(vae: &Vae, data: &Splits, run: &RunFolder, state: &State) -> Result<Self> {
        let (latent, batch) = (state.config.model.latent, state.config.batch_size);
        let decoded = if vae.resident() > 0 { 0 } else { data.train.decoded_each_time() };
        let pictures = data.train.len();
        let setup = Setup { latent, batch, micro: vae.micro_batch(), pictures, decoded };
        let advisor = Advisor::of(setup, &state.config);
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

    /// What can be said before the first step.
    pub(super) fn begins(&mut self, observer: &mut dyn Observer) {
        self.advisor.begins().iter().for_each(|line| observer.advice(line));
    }

    /// `batches`, counting how long each is waited for.
    pub(super) fn timed(
        &self,
        mut batches: Box<dyn Iterator<Item = Batch>>,
    ) -> impl Iterator<Item = Batch> + use<> {
        let waited = self.waited.clone();
        waited.store(0, Ordering::Relaxed);
        std::iter::from_fn(move || {
            let began = Instant::now();
            let batch = batches.next();
            waited.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            batch
        })
    }

    /// A step's line of metrics.
    pub(super) fn step(&mut self, metrics: &StepMetrics, observer: &mut dyn Observer) -> Result<()> {
        self.last = (metrics.lr, metrics.beta);
        if let Some(line) = self.advisor.step(metrics.step, metrics.kl) {
            observer.advice(&line);
        }
        self.events.write(metrics.step, scalars(Summary::default(), &json(metrics)))
    }

    /// Writes the pictures of a finished epoch, and the events of that epoch; then tells `observer` of both.
    pub(super) fn epoch(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
        metrics: &EpochMetrics,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (kl, written) = self.look(vae, (data, run, state), &json(metrics))?;
        // pictures that cannot be written are no reason to end a training
        let written = written.unwrap_or_else(|error| {
            observer.advice(&format!("{error}; the training goes on without these pictures"));
            Vec::new()
        });
        observer.epoch_ends(metrics, &written);
        let figures = Figures {
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
        self.advisor.epoch(figures).iter().for_each(|line| observer.advice(line));
        Ok(())
    }

    /// Makes up for the pictures and events of the last epoch, where the process was killed between its checkpoint and
    /// them.
    pub(super) fn catch_up(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
    ) -> Result<()> {
        if !run.has_sample_grids(state) {
            let line = self.again.iter().find(|line| line["kind"] == "epoch").cloned().unwrap_or_default();
            // pictures that cannot be written now either are not worth a failure
            let _ = self.look(vae, (data, run, state), &line)?;
        }
        Ok(())
    }

    /// Draws the pictures of the epoch before `state`, and writes its events with the figures of `line`. Returns each
    /// dimension's divergence, and the pictures that the user looks at, if they could be written.
    fn look(
        &mut self,
        vae: &mut Vae,
        (data, run, state): (&Splits, &RunFolder, &State),
        line: &Value,
    ) -> Result<(Vec<f64>, Result<Vec<PathBuf>>)> {
        // by the averaged parameters, where there are any
        vae.swap_average()?;
        let latents = latents(vae, data.validation.as_ref().unwrap_or(&data.train))?;
        let kl = generate::divergences(&latents.mu, &latents.logvar, vae.config().latent as usize);
        let sheets = sample_grids::sheets(vae, data, state)?;
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
        for (name, sheet) in &sheets {
            summary = summary.picture(&format!("pictures/{name}"), sheet.dimensions(), &data::png(sheet)?);
        }
        self.events.write(state.step, summary)?;
        Ok((kl, sample_grids::write(run, state.epoch - 1, &sheets)))
    }
}

/// Mean and log-variance of the first pictures, by the micro-batch; those that cannot be read are left out.
fn latents(vae: &mut Vae, pictures: &Dataset) -> Result<Latents> {
    let mut all = Latents { mu: Vec::new(), logvar: Vec::new() };
    let indices: Vec<usize> = (0..pictures.len().min(LOOKED_AT)).collect();
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

/// Adds the figures of a line of metrics.jsonl, each under its kind and name: "step/loss", "epoch/validation_loss".
fn scalars(summary: Summary, line: &Value) -> Summary {
    let kind = line["kind"].as_str().unwrap_or_default();
    let figures = line.as_object().into_iter().flatten().filter(|(name, _)| !PLACES.contains(&name.as_str()));
    let numbers = figures.filter_map(|(name, value)| Some((name, value.as_f64()?)));
    numbers.fold(summary, |summary, (name, value)| summary.scalar(&format!("{kind}/{name}"), value))
}

/// The last step's and the last epoch's line of metrics.jsonl, if they are of the step that `state` stands at.
fn last_lines(path: &Path, state: &State) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().rev().take(2).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["step"] == state.step).collect()
}
