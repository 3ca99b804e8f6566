//! The loop.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::metrics::{EpochMetrics, MetricsFile, StepMetrics};
use super::{Observer, RunFolder};
use crate::checkpoint::{self, Best, Checkpoint, State};
use crate::config::TrainConfig;
use crate::data::{self, Batch, Loader, PREFETCH, Pictures};
use crate::error::{Error, Result};
use crate::gpu::Element;
use crate::model::{Input, Loss, StepSettings, Vae};

/// Pictures that are put on the device at a time: what the host holds twice.
const CHUNK: usize = 64;
/// Pictures in the grid of samples, 4 x 4.
const SAMPLES: u32 = 16;
/// Pictures of a row in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 8;

/// The pictures of a training.
#[derive(Clone)]
pub struct Data {
    /// trained on
    pub train: Arc<Pictures>,
    /// held out; may be missing
    pub validation: Option<Arc<Pictures>>,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// all epochs done
    Finished,
    /// stopped by the user, after writing this checkpoint
    Stopped(PathBuf),
}

/// A training in progress.
pub struct Trainer {
    vae: Vae,
    data: Data,
    run: RunFolder,
    metrics: MetricsFile,
    state: State,
    stop: Arc<AtomicBool>,
    /// whether the training pictures are on the device
    kept: bool,
    /// epoch, step in epoch and pictures of the steps whose loss is not back yet
    pending: HashMap<u64, (u64, u32)>,
    last_log: (Instant, u64),
}

impl Trainer {
    /// A training from the start (`checkpoint` is `None`) or from where a checkpoint stands.
    ///
    /// # Errors
    /// If the run's folder cannot be written, or the checkpoint's tensors do not fit the model.
    pub fn new(
        mut vae: Vae,
        data: Data,
        run: RunFolder,
        (config, checkpoint): (TrainConfig, Option<Checkpoint>),
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let state = match checkpoint {
            Some(checkpoint) => {
                vae.load(&checkpoint.weights)?;
                vae.load_moments(&checkpoint.moments)?;
                if let Some(scaling) = checkpoint.state.scaling {
                    vae.load_scaling(scaling);
                }
                let data = format!("{:016x}", data.train.fingerprint());
                State { config, data, ..checkpoint.state }
            }
            None => State {
                format: checkpoint::VERSION,
                version: env!("CARGO_PKG_VERSION").into(),
                adapter: vae.adapter(),
                data: format!("{:016x}", data.train.fingerprint()),
                step: 0,
                epoch: 1,
                cursor: 0,
                epoch_loss: Loss::default(),
                epoch_images: 0,
                best: None,
                scaling: None,
                config,
            },
        };
        let metrics = MetricsFile::open(&run.path.join("metrics.jsonl"), &state)?;
        let last_log = (Instant::now(), 0);
        let kept = keep(&mut vae, &data.train);
        Ok(Self { vae, data, run, metrics, state, stop, kept, pending: HashMap::new(), last_log })
    }

    /// Where the training stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Trains to the last epoch, or until the stop flag is set.
    ///
    /// # Errors
    /// If the device fails, a file cannot be written, or the loss is no longer a number; checkpoints stay.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<End> {
        while self.state.epoch <= self.state.config.epochs {
            let began = Instant::now();
            if !self.epoch(observer)? {
                let name = format!("step_{:08}", self.state.step);
                return Ok(End::Stopped(self.save(&name)?));
            }
            self.finish_epoch(observer, began)?;
        }
        Ok(End::Finished)
    }

    /// The steps of one epoch; false if it was stopped in between.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<bool> {
        let config = self.state.config.clone();
        let pictures = self.data.train.clone();
        let order = data::order(config.seed, self.state.epoch, pictures.len());
        let steps = order.len().div_ceil(config.batch_size as usize) as u64;
        observer.epoch_begins(self.state.epoch, steps, self.state.cursor);
        self.last_log = (Instant::now(), 0);
        let first = self.state.cursor as usize;
        let batches: Box<dyn Iterator<Item = Batch>> = if self.kept {
            Box::new(data::indices_only(order, config.batch_size as usize, first))
        } else {
            Box::new(Loader::start(pictures, order, config.batch_size as usize, first, PREFETCH))
        };
        for batch in batches {
            batch.problems.iter().for_each(|problem| observer.skipped(problem));
            self.step(&batch, &config)?;
            self.log(observer, false)?;
            if self.stop.load(Ordering::SeqCst) {
                self.log(observer, true)?;
                return Ok(false);
            }
        }
        self.log(observer, true)?;
        Ok(true)
    }

    fn step(&mut self, batch: &Batch, config: &TrainConfig) -> Result<()> {
        self.state.cursor += 1;
        if batch.count == 0 {
            return Ok(()); // every file of the batch has become unreadable
        }
        let settings =
            StepSettings { seed: config.seed, step: self.state.step, lr: config.lr, beta: config.beta };
        let rgba: Vec<u32>;
        let input = if self.kept {
            Input::Kept(&batch.indices)
        } else {
            rgba = bytemuck::pod_collect_to_vec(&batch.rgba);
            Input::Rgba(&rgba)
        };
        self.pending.insert(self.state.step, (self.state.cursor, batch.count as u32));
        self.vae.train_step(input, batch.count as u32, &settings)?;
        self.state.step += 1;
        Ok(())
    }

    /// Takes in the losses that have come back; with `wait`, all of them.
    fn log(&mut self, observer: &mut dyn Observer, wait: bool) -> Result<()> {
        for (step, loss) in self.vae.losses(wait)? {
            let Some((cursor, count)) = self.pending.remove(&step) else { continue };
            let TrainConfig { lr, beta, .. } = self.state.config;
            let images = f64::from(count);
            let total = loss.total(beta) / images;
            self.finite(total, loss, &format!("step {}", step + 1))?;
            self.state.epoch_loss.bce += loss.bce;
            self.state.epoch_loss.kl += loss.kl;
            self.state.epoch_images += u64::from(count);
            self.last_log.1 += u64::from(count);
            let images_per_second =
                self.last_log.1 as f64 / self.last_log.0.elapsed().as_secs_f64().max(1e-9);
            let metrics = StepMetrics {
                kind: "step",
                step: step + 1,
                epoch: self.state.epoch,
                step_in_epoch: cursor,
                loss: total,
                bce: loss.bce / images,
                kl: loss.kl / images,
                images_per_second,
                lr,
                beta,
            };
            self.metrics.write(&metrics)?;
            observer.step(&metrics);
        }
        Ok(())
    }

    /// An error where a loss is no longer a number.
    fn finite(&self, total: f64, loss: Loss, of: &str) -> Result<()> {
        if total.is_finite() {
            return Ok(());
        }
        Err(Error::Device(format!(
            "the loss of {of} (epoch {}) is {total}: BCE {}, KL {}. Training stops; the last checkpoint stays. \
             Lower --lr, or resume from the checkpoint with a lower one.",
            self.state.epoch, loss.bce, loss.kl
        )))
    }

    /// Validation, metrics, the checkpoint and the pictures of an epoch.
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
        let validation = self.validate(observer)?;
        let beta = self.state.config.beta;
        let name = format!("epoch_{epoch:04}");
        let loss = validation.map(|loss| loss.total(beta));
        if let (Some(of), Some(total)) = (validation, loss) {
            // the last update of an epoch shows only here
            self.finite(total, of, "validation")?;
        }
        let lowest = self.state.best.as_ref().map(|best| best.loss);
        let best = loss.is_some_and(|loss| lowest.is_none_or(|lowest| loss < lowest));
        if let (true, Some(loss)) = (best, loss) {
            self.state.best = Some(Best { name: name.clone(), loss });
        }
        let images = (self.state.epoch_images as f64).max(1.0);
        let values = 3.0 * f64::from(self.state.config.model.size).powi(2);
        let metrics = EpochMetrics {
            kind: "epoch",
            step: self.state.step,
            epoch,
            train_loss: self.state.epoch_loss.total(beta) / images,
            train_bce: self.state.epoch_loss.bce / images,
            train_kl: self.state.epoch_loss.kl / images,
            loss_scale: self.state.scaling.map(|scaling| scaling.factor()),
            skipped_steps: self.state.scaling.map(|scaling| scaling.skipped),
            validation_loss: loss,
            validation_bce: validation.map(|loss| loss.bce),
            validation_kl: validation.map(|loss| loss.kl),
            validation_bits_per_value: validation.map(|l| l.total(1.0) / values / std::f64::consts::LN_2),
            images_per_second,
            seconds: began.elapsed().as_secs_f64(),
            best,
        };
        self.metrics.write(&metrics)?;
        self.state.epoch += 1;
        self.state.cursor = 0;
        self.state.epoch_loss = Loss::default();
        self.state.epoch_images = 0;
        self.save(&name)?;
        if best {
            checkpoint::point(&self.run.checkpoints(), "best", &name)?;
        }
        // after the checkpoint: a full samples folder must not cost the epoch
        let pictures = self.pictures(epoch)?;
        observer.epoch_ends(&metrics, &pictures);
        Ok(())
    }

    /// Mean loss of the validation pictures, z drawn, the same draws every time.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<Option<Loss>> {
        let Some(pictures) = self.data.validation.clone() else { return Ok(None) };
        let TrainConfig { batch_size, seed, .. } = self.state.config;
        let order: Vec<u32> = (0..pictures.len() as u32).collect();
        let (mut sum, mut count) = (Loss::default(), 0);
        for batch in Loader::start(pictures, order, batch_size as usize, 0, PREFETCH) {
            batch.problems.iter().for_each(|problem| observer.skipped(problem));
            let rgba: Vec<u32> = bytemuck::pod_collect_to_vec(&batch.rgba);
            let loss = self.vae.evaluate(
                Input::Rgba(&rgba),
                batch.count as u32,
                batch.step as u32 * batch_size,
                seed,
            )?;
            sum.bce += loss.bce;
            sum.kl += loss.kl;
            count += batch.count;
        }
        let images = count as f64;
        Ok((count > 0).then(|| Loss { bce: sum.bce / images, kl: sum.kl / images }))
    }

    /// A grid of samples and one of reconstructions, each in both places.
    fn pictures(&mut self, epoch: u32) -> Result<Vec<PathBuf>> {
        let size = self.state.config.model.size;
        let samples = self.vae.sample(SAMPLES, self.state.config.seed, 1.0)?;
        let samples: Vec<Vec<u8>> = samples.iter().map(|picture| data::rgb_of(picture)).collect();
        let mut written = write(&self.run, "sample", epoch, &data::grid(&samples, size, 4, data::GAP))?;
        // training pictures above, held-out ones below, each row over its reconstructions
        let mut rows = Vec::new();
        let sources = [Some(self.data.train.clone()), self.data.validation.clone()];
        let most = sources.iter().flatten().map(|pictures| pictures.len()).min().unwrap_or(0);
        let columns = RECONSTRUCTIONS.min(most);
        for source in sources.iter().flatten() {
            let readable = (0..source.len()).filter_map(|i| source.get(i).ok().map(|p| p.into_owned()));
            let originals: Vec<Vec<u8>> = readable.take(columns).collect();
            let packed: Vec<u32> = originals.iter().flat_map(|picture| data::rgba_of(picture)).collect();
            let recon = self.vae.reconstruct(&packed, originals.len() as u32)?;
            rows.extend(originals);
            rows.extend(recon.iter().map(|picture| data::rgb_of(picture)));
        }
        if !rows.is_empty() {
            let sheet = data::grid(&rows, size, columns as u32, data::GAP);
            written.extend(write(&self.run, "reconstruction", epoch, &sheet)?);
        }
        Ok(written)
    }

    /// The factor on gradients as it is now, where the training is in f16.
    fn read_scaling(&mut self) -> Result<()> {
        if self.vae.precision() == Element::F16 {
            self.state.scaling = Some(self.vae.scaling()?);
        }
        Ok(())
    }

    fn save(&mut self, name: &str) -> Result<PathBuf> {
        self.read_scaling()?;
        let checkpoint = Checkpoint {
            weights: self.vae.weights()?,
            moments: self.vae.moments()?,
            state: self.state.clone(),
        };
        checkpoint::save(&self.run.checkpoints(), name, &checkpoint)
    }
}

/// Puts the training pictures on the device where the model was built with room for all of them; steps then
/// upload nothing. False if there is no room, or a file has become unreadable: then they come batch by batch.
fn keep(vae: &mut Vae, pictures: &Pictures) -> bool {
    if (vae.kept() as usize) < pictures.len() {
        return false;
    }
    let all: Vec<usize> = (0..pictures.len()).collect();
    all.chunks(CHUNK).all(|indices| {
        let rgb: Result<Vec<_>> = indices.iter().map(|index| pictures.get(*index)).collect();
        rgb.is_ok_and(|rgb| {
            let rgba: Vec<u32> = rgb.iter().flat_map(|picture| data::rgba_of(picture)).collect();
            vae.keep(indices[0] as u32, &rgba).is_ok()
        })
    })
}

/// Writes a picture to both of its places; returns the one that the user looks at.
fn write(run: &RunFolder, what: &str, epoch: u32, picture: &image::RgbImage) -> Result<Vec<PathBuf>> {
    let [own, shown] = run.pictures(what, epoch);
    data::save_png(picture, &own)?;
    data::save_png(picture, &shown)?;
    Ok(vec![shown])
}
