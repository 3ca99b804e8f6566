//! The fit of a flow to the latents of pictures: batches, schedule, held-out error, and when to stop.

use super::schedule::ema_decay;
use crate::config::{self, FlowConfig, FlowSize, ModelConfig};
use crate::data;
use crate::error::{Error, Result};
use crate::model::flow::{Flow, FlowBatch, FlowWeights};
use crate::model::{Device, StepSettings};

/// Latents of a batch.
const BATCH: u32 = 64;
/// Steps of warm-up.
const WARMUP: u64 = 100;
/// Decay of the average, after its own warm-up.
const DECAY: f64 = 0.999;
/// Measurements of the held-out error.
const MEASUREMENTS: u64 = 12;
/// Rise of the held-out error above its minimum at which the fit ends.
const RISE: f64 = 1.02;
/// Share of the pictures that are held out, and their number at most.
const HELD_OUT: (f64, usize) = (0.1, 512);
/// Pictures below which there is nothing to hold out.
const MIN_PICTURES: usize = 20;

/// Means and log-variances of pictures, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowLatents {
    /// versions of the pictures, such as mirrored ones: means and log-variances, `[N, Z]` each, all in one order
    pub versions: Vec<[Vec<f32>; 2]>,
    /// classes, `[N]`
    pub labels: Vec<u32>,
    /// Z
    pub dims: usize,
}

/// Settings of the fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowSettings {
    /// width of the network
    pub size: FlowSize,
    /// length of the fit, at most
    pub length: FlowLength,
    /// number of classes
    pub classes: u32,
    /// seed of initial values, noise and order
    pub seed: u64,
}

/// The length of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FlowLength {
    /// steps of 64 latents
    Steps(u64),
    /// floating-point operations, such as those of the model's training
    Flops(f64),
}

/// Steps of a fit by its operations, at least and at most.
const STEPS: [f64; 2] = [200.0, 20_000.0];

impl FlowLength {
    fn steps(self, flow: &Flow) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Flops(flops) => (flops / flow.flops() as f64).clamp(STEPS[0], STEPS[1]) as u64,
        }
    }
}

/// A measurement during the fit. Errors are per dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowProgress {
    /// finished steps
    pub step: u64,
    /// steps of the whole fit
    pub steps: u64,
    /// mean error of the last training steps
    pub training: f64,
    /// error of held-out latents, where it was measured
    pub held_out: Option<f64>,
}

/// A fitted flow.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowFit {
    /// the flow of the last step, or if the fit was stopped the one with the smallest held-out error
    pub flow: FlowWeights,
    /// its step, and that error per dimension
    pub best: (u64, f64),
    /// steps done
    pub steps: u64,
    /// whether the held-out error had turned
    pub stopped: bool,
    /// mean training error of the last steps
    pub training: f64,
    /// pictures that were held out
    pub held_out: usize,
}

impl FlowLatents {
    /// Pictures.
    fn len(&self) -> usize {
        self.labels.len()
    }

    /// Mean and standard deviation of each latent over draws from the posterior: the variance of the means, plus the mean
    /// of the variances.
    fn standard(&self) -> [Vec<f32>; 2] {
        let rows = (self.versions.len() * self.len()) as f64;
        let mut sums = vec![[0.0f64; 3]; self.dims];
        for [mu, logvar] in &self.versions {
            for (at, (mu, logvar)) in mu.iter().zip(logvar).enumerate() {
                let (mu, variance) = (f64::from(*mu), f64::from(*logvar).exp());
                let [first, second, noise] = sums[at % self.dims];
                sums[at % self.dims] = [first + mu, second + mu * mu, noise + variance];
            }
        }
        let mean = |[first, ..]: &[f64; 3]| first / rows;
        let variance = |sums: &[f64; 3]| sums[1] / rows - mean(sums).powi(2) + sums[2] / rows;
        let deviation = |sums: &[f64; 3]| variance(sums).max(1e-12).sqrt() as f32;
        [sums.iter().map(|sums| mean(sums) as f32).collect(), sums.iter().map(deviation).collect()]
    }
}

/// Rows to train on or to measure: version and picture.
struct Rows<'a> {
    latents: &'a FlowLatents,
    rows: Vec<(usize, usize)>,
}

impl Rows<'_> {
    /// Calls `f` with the latents of these rows.
    fn with<T>(&self, at: impl Iterator<Item = usize>, f: impl FnOnce(FlowBatch<'_>) -> T) -> T {
        let dims = self.latents.dims;
        let (mut mu, mut logvar, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (version, picture) in at.map(|at| self.rows[at]) {
            let [all_mu, all_logvar] = &self.latents.versions[version];
            mu.extend_from_slice(&all_mu[picture * dims..(picture + 1) * dims]);
            logvar.extend_from_slice(&all_logvar[picture * dims..(picture + 1) * dims]);
            labels.push(self.latents.labels[picture]);
        }
        f(FlowBatch { mu: &mu, logvar: &logvar, labels: &labels })
    }
}

/// The learning rate and AdamW's decay of a size.
fn rates(size: FlowSize) -> [f64; 2] {
    match size {
        FlowSize::Small => [2e-3, 0.01],
        FlowSize::Wide => [1e-3, 0.05],
    }
}

/// Fits a flow to `latents` of `model`. `progress` is called after every step; `None` if it returns `false`, which ends the
/// fit.
///
/// # Errors
/// If there are too few pictures, the device is lost, or the error is not finite.
pub fn fit_flow(
    device: Device<'_>,
    model: &ModelConfig,
    latents: &FlowLatents,
    settings: &FlowSettings,
    progress: &mut dyn FnMut(FlowProgress) -> bool,
) -> Result<Option<FlowFit>> {
    let pictures = latents.len();
    if pictures < MIN_PICTURES {
        return Err(Error::Usage(format!(
            "a flow needs at least {MIN_PICTURES} pictures, and there are {pictures}; fit-prior without --flow fits a \
             Gaussian"
        )));
    }
    let config = FlowConfig::new(model, settings.size, settings.classes).checked()?;
    let mut flow = Flow::new(device, (config, BATCH), latents.standard(), settings.seed)?;
    let order = data::order(settings.seed, 0, pictures);
    let held = ((pictures as f64 * HELD_OUT.0) as usize).clamp(1, HELD_OUT.1);
    let (held, train) = order.split_at(held);
    let held = Rows { latents, rows: held.iter().map(|&picture| (0, picture as usize)).collect() };
    let versions = 0..latents.versions.len();
    let train = versions.flat_map(|version| train.iter().map(move |&picture| (version, picture as usize)));
    let train = Rows { latents, rows: train.collect() };

    let steps = settings.length.steps(&flow);
    let mut fit = Fit { flow: &mut flow, settings, steps, train: &train, held: &held, recent: Vec::new() };
    let every = steps.div_ceil(MEASUREMENTS).max(1);
    let mut best: Option<(u64, f64, FlowWeights)> = None;
    let (mut step, mut stopped, mut last) = (0, false, f64::NAN);
    while step < steps && !stopped {
        fit.step(step)?;
        step += 1;
        let measured = step % every == 0 || step == steps;
        let held_out = if measured { Some(fit.held_out()?) } else { None };
        if let Some(error) = held_out {
            last = error;
            if best.as_ref().is_none_or(|(_, least, _)| error < *least) {
                best = Some((step, error, fit.flow.average()?));
            }
            // the first measurements are above the later ones of a short fit, and say nothing of overfitting
            stopped = best.as_ref().is_some_and(|(_, least, _)| error > RISE * least);
        }
        if !progress(FlowProgress { step, steps, training: fit.training()?, held_out }) {
            return Ok(None);
        }
    }
    let training = fit.training()?;
    let Some((mut at, mut error, mut flow)) = best else {
        return Err(Error::Usage("a flow needs at least one step".into()));
    };
    // the last steps, at a rate near zero, sharpen samples although the held-out error may rise a little
    if at < step && !stopped && last.is_finite() {
        (at, error, flow) = (step, last, fit.flow.average()?);
    }
    if !error.is_finite() {
        return Err(Error::Diverged("the error of the flow is not finite: the latents may be broken".into()));
    }
    let held_out = held.rows.len();
    Ok(Some(FlowFit { flow, best: (at, error), steps: step, stopped, training, held_out }))
}

/// A fit under way.
struct Fit<'a> {
    flow: &'a mut Flow,
    settings: &'a FlowSettings,
    steps: u64,
    train: &'a Rows<'a>,
    held: &'a Rows<'a>,
    /// errors of the last steps, per dimension
    recent: Vec<f64>,
}

impl Fit<'_> {
    fn step(&mut self, step: u64) -> Result<()> {
        let [lr, weight_decay] = rates(self.settings.size);
        let positions = step * u64::from(BATCH)..(step + 1) * u64::from(BATCH);
        // the order of epoch 0 has chosen the held-out pictures
        let rows = data::endless_order(self.settings.seed, 1, self.train.rows.len(), positions);
        let rows = rows.into_iter().map(|row| row as usize);
        let warm = config::warmup(step as f64, WARMUP.min(self.steps / 4).max(1) as f64);
        let settings = StepSettings {
            seed: self.settings.seed,
            step,
            lr: lr * warm * config::cosine(step as f64 / self.steps as f64),
            weight_decay,
            average: 1.0 - ema_decay(DECAY, step),
            ..StepSettings::default()
        };
        let flow = &mut *self.flow;
        self.train.with(rows, |latents| flow.train_step(latents, &settings))?;
        self.read(false)
    }

    fn read(&mut self, wait: bool) -> Result<()> {
        for (_, error) in self.flow.losses(wait)? {
            self.recent.push(error / f64::from(BATCH));
        }
        let surplus = self.recent.len().saturating_sub(50);
        self.recent.drain(..surplus);
        Ok(())
    }

    /// The mean error of the last steps.
    fn training(&mut self) -> Result<f64> {
        self.read(false)?;
        Ok(self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64)
    }

    /// The mean error of the held-out latents.
    fn held_out(&mut self) -> Result<f64> {
        self.read(true)?;
        let (count, batch) = (self.held.rows.len(), BATCH as usize);
        let mut sum = 0.0;
        for first in (0..count).step_by(batch) {
            let rows = first..count.min(first + batch);
            let (flow, seed) = (&mut *self.flow, self.settings.seed);
            sum += self.held.with(rows, |latents| flow.evaluate(latents, first as u32, seed))?;
        }
        Ok(sum / count as f64)
    }
}
