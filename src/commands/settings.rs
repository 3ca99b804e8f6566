//! Defaults, a configuration file and flags, in this order, become settings.

use std::path::Path;

use anyhow::Result;
use wgvae::config::{
    Augmentation, BetaSchedule, Likelihood, ModelConfig, Objective, Optimizer, TrainConfig, cache_folder,
};
use wgvae::data::Cache;
use wgvae::error::Error;
use wgvae::model::ModelOptions;

use super::terminal::shown;
use crate::cli::{ModelArgs, Preset, TrainSettings};

/// Sizes of a preset, and its batch size.
fn preset(preset: Preset) -> (ModelConfig, u32) {
    match preset {
        Preset::Reference => (ModelConfig::REFERENCE, 64),
        Preset::Laptop => (ModelConfig::LAPTOP, 32),
        Preset::Demo => (ModelConfig::DEMO, 16),
    }
}

/// `--micro-batch`: a number, or auto.
pub fn micro_batch(text: Option<&str>) -> Result<Option<u32>> {
    match text {
        None | Some("auto") => Ok(None),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => {
                // it may come from a file
                let text = shown(Path::new(text));
                Err(Error::Usage(format!("--micro-batch {text}: must be a number from 1 on, or auto")).into())
            }
            Ok(number) => Ok(Some(number)),
        },
    }
}

/// The training that the flags of `plan`, `tune`, `bench` and `profile` mean.
pub fn build(args: &ModelArgs, default: Preset) -> Result<ModelOptions> {
    let (base, batch) = preset(args.preset.unwrap_or(default));
    let config = ModelConfig {
        size: args.size.unwrap_or(base.size),
        hidden: args.hidden.unwrap_or(base.hidden),
        latent: args.latent.unwrap_or(base.latent),
    };
    let batch = args.batch_size.unwrap_or(batch);
    if batch == 0 || batch > 65_536 {
        return Err(Error::Usage(format!("--batch-size {batch}: must be between 1 and 65536")).into());
    }
    let micro = micro_batch(args.micro_batch.as_deref())?;
    let precision = args.precision.unwrap_or_default().into();
    Ok(ModelOptions { micro, precision, ..ModelOptions::training(config.checked()?, batch) })
}

/// Where decoded pictures are kept, unless `--no-cache`.
pub fn cache(no_cache: bool) -> Option<Cache> {
    let folder = cache_folder().filter(|_| !no_cache)?;
    Some(Cache::new(folder.join("pictures")))
}

/// The training that the settings mean; `data` decides the default preset.
pub fn training(settings: &TrainSettings, data: bool) -> Result<TrainConfig> {
    let default = if data { Preset::Reference } else { Preset::Demo };
    let (base, batch) = preset(settings.preset.unwrap_or(default));
    let reference = TrainConfig::default();
    let config = TrainConfig {
        model: ModelConfig {
            size: settings.size.unwrap_or(base.size),
            hidden: settings.hidden.unwrap_or(base.hidden),
            latent: settings.latent.unwrap_or(base.latent),
        },
        batch_size: settings.batch_size.unwrap_or(batch),
        epochs: settings.epochs.unwrap_or(reference.epochs),
        lr: settings.lr.unwrap_or(reference.lr),
        beta: settings.beta.unwrap_or(reference.beta),
        seed: settings.seed.unwrap_or(0),
        resize: settings.resize.unwrap_or_default(),
        precision: settings.precision.unwrap_or_default().into(),
        objective: objective(settings)?,
        optimizer: Optimizer {
            lr_schedule: settings.lr_schedule.unwrap_or_default(),
            warmup: settings.warmup.unwrap_or(0),
            clip_norm: settings.clip_norm,
            weight_decay: settings.weight_decay.unwrap_or(0.0),
            ema: settings.ema,
            patience: settings.patience,
        },
        augmentation: Augmentation {
            flip: settings.flip.unwrap_or(false),
            crop: settings.crop.unwrap_or(0.0),
            jitter: settings.jitter.unwrap_or(0.0),
        },
    };
    Ok(config.checked()?)
}

fn objective(settings: &TrainSettings) -> Result<Objective> {
    let default = Objective::default();
    let schedule = settings.beta_schedule.unwrap_or_default();
    // a setting without effect was meant otherwise
    for (given, flag, works, needed) in [
        (
            settings.sigma.is_some(),
            "--sigma",
            settings.loss.unwrap_or_default().has_width(),
            "--loss mse or --loss l1",
        ),
        (
            settings.beta_epochs.is_some(),
            "--beta-epochs",
            schedule != BetaSchedule::Constant,
            "a --beta-schedule other than constant",
        ),
        (
            settings.beta_cycles.is_some(),
            "--beta-cycles",
            schedule == BetaSchedule::Cyclical,
            "--beta-schedule cyclical",
        ),
        (
            settings.capacity.is_some(),
            "--capacity",
            schedule == BetaSchedule::Capacity,
            "--beta-schedule capacity",
        ),
    ] {
        if given && !works {
            return Err(Error::Usage(format!("{flag}: has no effect without {needed}")).into());
        }
    }
    Ok(Objective {
        likelihood: Likelihood {
            kind: settings.loss.unwrap_or_default(),
            sigma: settings.sigma.unwrap_or(default.likelihood.sigma),
        },
        beta_schedule: schedule,
        beta_epochs: settings.beta_epochs,
        beta_cycles: settings.beta_cycles.unwrap_or(default.beta_cycles),
        capacity: settings.capacity.unwrap_or(default.capacity),
        free_bits: settings.free_bits.unwrap_or(0.0),
        mmd: settings.mmd.unwrap_or(0.0),
    })
}

/// The settings that mean `config`: every one of them, but for those that have no effect.
pub fn of(config: &TrainConfig) -> TrainSettings {
    let TrainConfig { model, objective, optimizer, augmentation, .. } = config;
    let schedule = objective.beta_schedule;
    let capacity = schedule == BetaSchedule::Capacity;
    let cycles = schedule == BetaSchedule::Cyclical;
    TrainSettings {
        size: Some(model.size),
        hidden: Some(model.hidden),
        latent: Some(model.latent),
        batch_size: Some(config.batch_size),
        epochs: Some(config.epochs),
        lr: Some(config.lr),
        beta: Some(config.beta),
        seed: Some(config.seed),
        resize: Some(config.resize),
        precision: Some(config.precision.into()),
        loss: Some(objective.likelihood.kind),
        sigma: objective.likelihood.kind.has_width().then_some(objective.likelihood.sigma),
        beta_schedule: Some(schedule),
        beta_epochs: objective.beta_epochs,
        beta_cycles: cycles.then_some(objective.beta_cycles),
        capacity: capacity.then_some(objective.capacity),
        free_bits: Some(objective.free_bits),
        mmd: Some(objective.mmd),
        lr_schedule: Some(optimizer.lr_schedule),
        warmup: Some(optimizer.warmup),
        clip_norm: optimizer.clip_norm,
        weight_decay: Some(optimizer.weight_decay),
        ema: optimizer.ema,
        patience: optimizer.patience,
        flip: Some(augmentation.flip),
        crop: Some(augmentation.crop),
        jitter: Some(augmentation.jitter),
        ..TrainSettings::default()
    }
}

/// The settings in which two trainings differ, by their flags: "--lr 0.001 to 0.01".
pub fn changes(was: &TrainConfig, is: &TrainConfig) -> Vec<String> {
    let [was, is] = [was, is].map(|config| serde_json::to_value(of(config)).unwrap_or_default());
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "nothing".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let flags = is.as_object().into_iter().flatten().filter(|(flag, is)| was[flag.as_str()] != **is);
    flags.map(|(flag, is)| format!("--{flag} {} to {}", text(&was[flag.as_str()]), text(is))).collect()
}

/// What a configuration file and the flags say, the flags winning.
pub fn merge(file: Option<&Path>, flags: TrainSettings) -> Result<TrainSettings> {
    let Some(path) = file else { return Ok(flags) };
    Ok(over(flags, super::config_file::read(path)?))
}

/// Fills what `above` leaves open from `below`.
pub fn over(above: TrainSettings, below: TrainSettings) -> TrainSettings {
    TrainSettings {
        data: above.data.or(below.data),
        preset: above.preset.or(below.preset),
        size: above.size.or(below.size),
        hidden: above.hidden.or(below.hidden),
        latent: above.latent.or(below.latent),
        batch_size: above.batch_size.or(below.batch_size),
        micro_batch: above.micro_batch.or(below.micro_batch),
        epochs: above.epochs.or(below.epochs),
        lr: above.lr.or(below.lr),
        beta: above.beta.or(below.beta),
        seed: above.seed.or(below.seed),
        resize: above.resize.or(below.resize),
        precision: above.precision.or(below.precision),
        loss: above.loss.or(below.loss),
        sigma: above.sigma.or(below.sigma),
        beta_schedule: above.beta_schedule.or(below.beta_schedule),
        beta_epochs: above.beta_epochs.or(below.beta_epochs),
        beta_cycles: above.beta_cycles.or(below.beta_cycles),
        capacity: above.capacity.or(below.capacity),
        free_bits: above.free_bits.or(below.free_bits),
        mmd: above.mmd.or(below.mmd),
        lr_schedule: above.lr_schedule.or(below.lr_schedule),
        warmup: above.warmup.or(below.warmup),
        clip_norm: above.clip_norm.or(below.clip_norm),
        weight_decay: above.weight_decay.or(below.weight_decay),
        ema: above.ema.or(below.ema),
        patience: above.patience.or(below.patience),
        flip: above.flip.or(below.flip),
        crop: above.crop.or(below.crop),
        jitter: above.jitter.or(below.jitter),
        splits: above.splits.or(below.splits),
        exclude: above.exclude.or(below.exclude),
        include: above.include.or(below.include),
        folder_rules: above.folder_rules.or(below.folder_rules),
        checkpoint_every: above.checkpoint_every.or(below.checkpoint_every),
        keep: above.keep.or(below.keep),
        init: above.init.or(below.init),
        name: above.name.or(below.name),
        runs: above.runs.or(below.runs),
        samples: above.samples.or(below.samples),
        cache: above.cache.or(below.cache),
        resident: above.resident.or(below.resident),
        no_cache: above.no_cache.or(below.no_cache),
        landscapes: above.landscapes.or(below.landscapes),
        adapter: above.adapter.or(below.adapter),
        backend: above.backend.or(below.backend),
    }
}
