//! The training loop: epochs, steps, validation, checkpoints.
//! Start here to follow a training from batch to checkpoint.

mod options;
mod saving;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use options::{Limit, Limits, Splits, TrainOptions, TrainOutcome};

use super::health::Diverged;
use super::metrics::{End, EpochMetrics, FORMAT, MetricsFile, Start, StepMetrics};
use super::ranks::{Ranks, Requests};
use super::reporting::Reporter;
use super::run::METRICS;
use super::stepper::Stepper;
use super::{Observer, RunFolder};
use crate::checkpoint::{self, Best, Checkpoint, Keep, State, VERSION};
use crate::config::{LossKind, TrainConfig, used_memory};
use crate::data::{self, DataLoader, PREFETCH};
use crate::error::{Error, Result};
use crate::gpu::Element;
use crate::model::{BatchPart, Input, Loss, Outcome, StepSettings, Vae};
use crate::tune;

/// The end of the steps of an epoch.
enum EpochEnd {
    Whole,
    Stopped,
    Limited(Limit),
}

/// A training in progress.
pub struct Trainer {
    vae: Vae,
    data: Splits,
    stepper: Stepper,
    run: RunFolder,
    metrics: MetricsFile,
    /// on the rank that writes
    reporter: Option<Reporter>,
    /// processes of the training, if there are several
    ranks: Option<Ranks>,
    state: State,
    every: Option<u64>,
    keep: Keep,
    limits: Limits,
    save: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    /// step in epoch, pictures and settings of the steps whose loss has not been read back yet
    pending: HashMap<u64, (u64, u32, StepSettings)>,
    last_log: (Instant, u64),
    /// pictures of the epoch that this process has computed
    own_images: u64,
}

impl Trainer {
    /// A training from the start or resumed from a checkpoint.
    ///
    /// # Errors
    /// If the run's folder is not writable, or the checkpoint's tensors do not match the model.
    pub fn new(
        mut vae: Vae,
        data: Splits,
        run: RunFolder,
        begin: TrainOptions,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let TrainOptions { config, checkpoint, every, keep, limits, save, ranks, state } = begin;
        if let Some(Checkpoint { weights, optimizer, average, state }) = &checkpoint {
            vae.restore(weights, optimizer, state.scaling, average.as_ref())?;
        }
        let state = match checkpoint.map(|checkpoint| checkpoint.state).or(state) {
            Some(state) => state.with_config(config),
            None => State::new(config),
        };
        let ranks = ranks.map(|options| Ranks::new(options, state.config.batch_size, &state.shares));
        let leads = ranks.as_ref().is_none_or(Ranks::leads);
        let shares = ranks.as_ref().and_then(Ranks::shares).unwrap_or_default().to_vec();
        let state = State {
            format: VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("WGVAE_COMMIT").into(),
            shaders: tune::file::shaders(),
            adapter: vae.adapter(),
            micro_batch: vae.micro_batch(),
            data: data.train.digest(),
            held_out: data.validation.as_ref().map(|pictures| pictures.digest()),
            ranks: ranks.as_ref().map_or(1, |ranks| ranks.size() as u32),
            shares,
            ..state
        };
        let (mut metrics, mut reporter) = (MetricsFile::nowhere(), None);
        if leads {
            run.repair_best(&state)?;
            metrics = MetricsFile::open(&run.path.join(METRICS), &state)?;
            reporter = Some(Reporter::begin(&vae, &data, &run, &state)?);
        }
        if let Some((group, wire)) = ranks.as_ref().map(Ranks::connection) {
            vae.join(group, wire)?;
        }
        let stepper = Stepper::new(&mut vae, data.train.clone());
        let last_log = (Instant::now(), 0);
        let mut trainer = Self {
            vae,
            data,
            stepper,
            run,
            metrics,
            reporter,
            ranks,
            state,
            every,
            keep,
            limits,
            save,
            stop,
            pending: HashMap::new(),
            last_log,
            own_images: 0,
        };
        if trainer.ranks.is_some() {
            trainer.replicated()?;
        }
        Ok(trainer)
    }

    /// This process's part of `len` pictures.
    fn part(&self, len: usize) -> Range<usize> {
        self.ranks.as_ref().map_or(0..len, |ranks| ranks.part(len))
    }

    /// Whether this process writes the run's folder.
    fn leads(&self) -> bool {
        self.ranks.as_ref().is_none_or(Ranks::leads)
    }

    /// The state of the training.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Trains to the last epoch, until the stop flag is set, or to a limit.
    ///
    /// # Errors
    /// If the device fails, a file cannot be written, or the loss is not finite; checkpoints stay.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<TrainOutcome> {
        let of = (&self.data, &self.run, &self.state);
        if let Some(reporter) = &mut self.reporter {
            reporter.catch_up(&mut self.vae, of, &mut self.metrics)?;
        }
        self.metrics.write(&self.start())?;
        if let Some(reporter) = &mut self.reporter {
            reporter.begins(&mut self.metrics, &self.state, observer)?;
        }
        while self.state.epoch <= self.state.config.epochs && !self.state.out_of_patience() {
            let began = Instant::now();
            match self.epoch(observer)? {
                EpochEnd::Whole => self.finish_epoch(observer, began)?,
                EpochEnd::Stopped => {
                    let checkpoint = self.save_step()?;
                    self.end("stopped")?;
                    return Ok(TrainOutcome::Stopped(checkpoint));
                }
                EpochEnd::Limited(limit) => {
                    let checkpoint = self.save_step()?;
                    self.end("limited")?;
                    return Ok(TrainOutcome::Limited(limit, checkpoint));
                }
            }
            let over = self.state.epoch > self.state.config.epochs || self.state.out_of_patience();
            let late = match &self.ranks {
                Some(ranks) => ranks.any(self.limits.late())?,
                None => self.limits.late(),
            };
            if let (false, Some(limit)) = (over, self.limits.reached(self.state.step, late)) {
                let name = format!("epoch_{:04}", self.state.epoch - 1);
                self.end("limited")?;
                return Ok(TrainOutcome::Limited(limit, self.run.checkpoints().join(name)));
            }
        }
        let early = self.state.epoch <= self.state.config.epochs;
        self.end(if early { "early" } else { "finished" })?;
        Ok(if early { TrainOutcome::Early(self.state.bad_epochs) } else { TrainOutcome::Finished })
    }

    /// The line with which this process begins.
    fn start(&self) -> Start {
        let (state, model) = (&self.state, self.vae.config());
        Start {
            kind: "start",
            step: state.step,
            epoch: state.epoch,
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            epochs: state.config.epochs,
            steps_per_epoch: self.stepper.steps(state),
            pictures: self.data.train.len(),
            held_out: self.data.validation.as_ref().map_or(0, |pictures| pictures.len()),
            parameters: crate::model::parameter_count(&model),
            latents: model.latents(),
            cells: model.cells(),
            adapter: self.vae.adapter(),
            device_bytes: self.vae.plan().bytes(),
            ranks: (state.ranks > 1).then_some(state.ranks),
        }
    }

    /// Records that the training has ended as it should.
    fn end(&mut self, outcome: &'static str) -> Result<()> {
        let State { step, epoch, .. } = self.state;
        self.metrics.write(&End { kind: "end", step, epoch, outcome })
    }

    /// Runs the steps of one epoch, to its end or until it is stopped.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<EpochEnd> {
        let steps = self.stepper.steps(&self.state);
        observer.epoch_begins(self.state.epoch, steps, self.state.step_in_epoch);
        self.last_log = (Instant::now(), 0);
        let mut batches = self.stepper.batches(&self.state, |len| self.part(len));
        if let Some(reporter) = &self.reporter {
            batches = reporter.timed(batches);
        }
        for batch in batches {
            batch.problems.iter().for_each(|problem| observer.skipped(problem));
            let step = self.state.step;
            // several processes agree before the step on what comes after it
            let agreed = match &self.ranks {
                Some(ranks) => Some(ranks.begin_step(batch.count, self.requests())?),
                None => None,
            };
            let part = agreed.map_or_else(|| BatchPart::whole(batch.count as u32), |(part, _)| part);
            if let Some(settings) = self.stepper.step(&mut self.vae, (&batch, part), &mut self.state)? {
                self.pending.insert(step, (self.state.step_in_epoch, part.total, settings));
            }
            self.own_images += u64::from(part.count);
            self.log(observer, false)?;
            let requests = agreed.map_or_else(|| self.requests(), |(_, requests)| requests);
            if requests.stop {
                self.log(observer, true)?;
                return Ok(EpochEnd::Stopped);
            }
            if self.state.step_in_epoch >= steps {
                continue; // the epoch has a checkpoint at its end
            }
            if let Some(limit) = self.limits.reached(self.state.step, requests.time) {
                self.log(observer, true)?;
                return Ok(EpochEnd::Limited(limit));
            }
            let asked = requests.save;
            let due = self.every.is_some_and(|every| self.state.step.is_multiple_of(every));
            if asked || due && self.state.step > step {
                self.log(observer, true)?; // metrics are part of the saved state
                let saved = self.save_step()?;
                if asked {
                    observer.saved(&saved);
                }
            }
        }
        self.log(observer, true)?;
        Ok(EpochEnd::Whole)
    }

    /// Present requests to this process.
    fn requests(&self) -> Requests {
        Requests {
            stop: self.stop.load(Ordering::SeqCst),
            save: self.save.swap(false, Ordering::SeqCst),
            time: self.limits.late(),
        }
    }

    /// Logs the losses that have been read back; with `wait`, all of them.
    fn log(&mut self, observer: &mut dyn Observer, wait: bool) -> Result<()> {
        for (step, Outcome { loss, gradient_norm }) in self.vae.losses(wait)? {
            let Some((step_in_epoch, count, settings)) = self.pending.remove(&step) else { continue };
            let StepSettings { lr, beta, capacity, mmd, .. } = settings;
            let of_one = loss.per(count.into());
            let total = of_one.objective(beta, mmd);
            self.finite(total, of_one, step + 1, &format!("step {}", step + 1))?;
            self.state.epoch_loss.add(&loss);
            self.state.epoch_images += u64::from(count);
            self.last_log.1 += u64::from(count);
            let images_per_second =
                self.last_log.1 as f64 / self.last_log.0.elapsed().as_secs_f64().max(1e-9);
            let metrics = StepMetrics {
                kind: "step",
                step: step + 1,
                epoch: self.state.epoch,
                step_in_epoch,
                loss: total,
                nll: of_one.nll,
                bce: self.is_bce().then_some(of_one.nll),
                kl: of_one.kl,
                mmd: (mmd > 0.0).then_some(of_one.mmd),
                gradient_norm: self.state.config.optimizer.clip_norm.map(|_| gradient_norm),
                images_per_second,
                lr,
                beta,
                capacity: (capacity > 0.0).then_some(capacity),
            };
            self.metrics.write(&metrics)?;
            observer.step(&metrics);
            if let Some(reporter) = &mut self.reporter {
                reporter.step(&metrics, &mut self.metrics, observer)?;
            }
        }
        Ok(())
    }

    fn is_bce(&self) -> bool {
        self.state.config.objective.likelihood.kind == LossKind::Bce
    }

    /// An error if the loss of `step`, from 1, is not finite.
    fn finite(&mut self, total: f64, loss: Loss, step: u64, of: &str) -> Result<()> {
        if total.is_finite() {
            return Ok(());
        }
        let tensor = self.vae.first_non_finite()?.map_or_else(String::new, |name| {
            format!(" The first tensor with a number that is not finite: {name}.")
        });
        let Loss { nll, kl, .. } = loss;
        let name = if self.is_bce() { "BCE" } else { "negative log-likelihood" };
        let epoch = self.state.epoch;
        let what = format!("the loss of {of} (epoch {epoch}) is {total}: {name} {nll}, KL {kl}.{tensor}");
        Err(self.diverged(step, &what)?)
    }

    /// Records for a resumed run that it diverged at `step`, from 1; returns the error with `what` and advice.
    fn diverged(&mut self, step: u64, what: &str) -> Result<Error> {
        self.metrics.write(&Diverged { kind: "diverged", step, epoch: self.state.epoch })?;
        let half = match self.vae.precision() {
            Element::F16 => ", or train with --precision f32",
            Element::F32 => "",
        };
        let none = || checkpoint::list(&self.run.checkpoints()).map(|list| list.whole.is_empty());
        let go_on = if self.leads() && none()? {
            "There is no checkpoint yet: start again."
        } else {
            "--resume goes on from the last checkpoint before that."
        };
        let lr = self.state.config.lr;
        Ok(Error::Diverged(format!("{what}\nTraining stops. Lower --lr (it is {lr:e}){half}. {go_on}")))
    }

    /// Validates, and writes the metrics, the checkpoint and the sample grids of an epoch.
    fn finish_epoch(&mut self, observer: &mut dyn Observer, began: Instant) -> Result<()> {
        let images_per_second = self.last_log.1 as f64 / self.last_log.0.elapsed().as_secs_f64().max(1e-9);
        let epoch = self.state.epoch;
        if self.state.epoch_images == 0 {
            return Err(Error::data(
                &self.run.path,
                format!("no picture of epoch {epoch} could be read; training stops"),
            ));
        }
        self.read_scaling()?;
        self.vae.swap_average()?;
        let validation = self.validate(observer)?;
        self.vae.swap_average()?;
        let compared = |loss: Loss| self.state.config.selection_loss(loss);
        let name = format!("epoch_{epoch:04}");
        let loss = validation.map(compared);
        if let (Some(of), Some(total)) = (validation, loss) {
            // a divergence in the last update of an epoch is only visible here
            self.finite(total, of, self.state.step + 1, "validation")?;
        }
        let images = (self.state.epoch_images as f64).max(1.0);
        let train = self.state.epoch_loss.per(images);
        let lowest = self.state.best.as_ref().map(|best| best.loss);
        let best = loss.is_some_and(|loss| lowest.is_none_or(|lowest| loss < lowest));
        if loss.is_some() {
            self.state.record_validation(best);
        }
        if let (true, Some(loss)) = (best, loss) {
            self.state.best = Some(Best { name: name.clone(), loss });
        }
        let bce = self.is_bce();
        let values = 3.0 * f64::from(self.state.config.model.size).powi(2);
        let bits = |loss: Loss| loss.total(1.0) / values / std::f64::consts::LN_2;
        let bits = validation.filter(|_| !bce).map(bits);
        let metrics = EpochMetrics {
            kind: "epoch",
            step: self.state.step,
            epoch,
            train_loss: self.state.config.selection_loss(train),
            train_nll: train.nll,
            train_bce: bce.then_some(train.nll),
            train_kl: train.kl,
            loss_scale: self.state.scaling.map(|scaling| scaling.factor()),
            skipped_steps: self.state.scaling.map(|scaling| scaling.skipped),
            validation_loss: loss,
            validation_nll: validation.map(|loss| loss.nll),
            validation_bce: validation.map(|loss| loss.nll).filter(|_| bce),
            validation_kl: validation.map(|loss| loss.kl),
            validation_bits_per_value: bits,
            validation_bits_per_dim: bits.map(|bits| bits + 8.0),
            images_per_second,
            seconds: began.elapsed().as_secs_f64(),
            memory_bytes: used_memory(),
            best,
            shares: self.ranks.as_ref().and_then(Ranks::shares).map(<[u32]>::to_vec),
        };
        self.metrics.write(&metrics)?;
        let (own, busy) = (std::mem::take(&mut self.own_images), self.vae.take_busy());
        if let Some(ranks) = &mut self.ranks {
            ranks.balance(own, busy)?;
            self.state.shares = ranks.shares().unwrap_or_default().to_vec();
        }
        self.state.epoch += 1;
        self.state.step_in_epoch = 0;
        self.state.epoch_loss = Loss::default();
        self.state.epoch_images = 0;
        self.save(&name)?;
        let of = (&self.data, &self.run, &self.state);
        let Some(reporter) = &mut self.reporter else { return Ok(()) };
        if best {
            checkpoint::set_pointer(&self.run.checkpoints(), "best", &name)?;
        }
        checkpoint::prune(&self.run.checkpoints(), self.keep)?;
        // after the checkpoint: a full samples disk must not cost the epoch
        reporter.epoch(&mut self.vae, of, (&metrics, &mut self.metrics), observer)
    }

    /// Mean loss over the validation pictures with z drawn; every validation uses identical draws.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<Option<Loss>> {
        let Some(pictures) = self.data.validation.clone() else { return Ok(None) };
        let TrainConfig { batch_size, seed, .. } = self.state.config;
        let all = pictures.len();
        let own = self.part(all);
        let first = own.start as u32;
        let order: Vec<u32> = (first..own.end as u32).collect();
        let batches = data::batches(&order, batch_size as usize);
        let (mut sum, mut count) = (Loss::default(), 0);
        for batch in DataLoader::start(pictures, batches, 0, PREFETCH) {
            batch.problems.iter().for_each(|problem| observer.skipped(problem));
            let rgba: Vec<u32> = bytemuck::pod_collect_to_vec(&batch.rgba);
            let loss = self.vae.evaluate(
                Input::Rgba(&rgba),
                batch.count as u32,
                first + batch.step as u32 * batch_size,
                (seed, self.state.config.capacity()),
            )?;
            sum.add(&loss);
            count += batch.count;
        }
        if let Some(ranks) = &self.ranks {
            (sum, count) = ranks.add_losses(&sum, count)?;
        }
        Ok((count > 0).then(|| sum.per(count as f64)))
    }
}
