//! Defaults, a configuration file and flags, in this order, become settings.

use std::path::Path;

use anyhow::Result;
use wgvae::config::{ModelConfig, TrainConfig, cache_folder};
use wgvae::data::Cache;
use wgvae::error::Error;
use wgvae::model::Build;

use super::screen::shown;
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
pub fn build(args: &ModelArgs, default: Preset) -> Result<Build> {
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
    Ok(Build { micro, precision, ..Build::training(config.checked()?, batch) })
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
    let config = TrainConfig {
        model: ModelConfig {
            size: settings.size.unwrap_or(base.size),
            hidden: settings.hidden.unwrap_or(base.hidden),
            latent: settings.latent.unwrap_or(base.latent),
        },
        batch_size: settings.batch_size.unwrap_or(batch),
        epochs: settings.epochs.unwrap_or(10),
        lr: settings.lr.unwrap_or(1e-3),
        beta: settings.beta.unwrap_or(0.2),
        seed: settings.seed.unwrap_or(0),
        resize: settings.resize.unwrap_or_default(),
        precision: settings.precision.unwrap_or_default().into(),
    };
    Ok(config.checked()?)
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
