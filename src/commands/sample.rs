//! `wgvae sample`: pictures from random latents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Model};
use wgvae::data;
use wgvae::generate::{Fitted, prior_file};
use wgvae::model::{Device, ModelOptions, Vae};

use super::destination::{Writer, usage};
use super::load_model::{self, Pictures};
use super::names;
use super::terminal::Bar;
use crate::cli::{ForceArgs, SampleArgs};

/// Pictures computed at once.
const BATCH: u32 = 16;
/// Default number of samples.
const COUNT: u32 = 16;

pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    if args.count == 0 || args.count > 100_000 {
        return usage(format!("--count {}: must be between 1 and 100000", args.count));
    }
    if !args.temperature.is_finite() || args.temperature < 0.0 {
        return usage(format!("--temperature {}: must be zero or positive", args.temperature));
    }
    let model = names::model_file(&args.model)?;
    let prior_file = prior_file(args);
    let settings =
        SampleArgs { model: model.clone(), out: None, force: ForceArgs::default(), ..args.clone() };
    let writer = Writer::new("sample", args.force.force, &settings).reads([&model]).reads(prior_file);
    let parts = parts(args)?;
    let files: Vec<String> = (0..args.count).map(file).collect();
    let mut out = Pictures::new(&writer, args.out.as_deref(), &parts, (args.separate, &files))?;

    let Model { config, weights, likelihood, .. } = checkpoint::open(&args.model)?;
    let prior = match args.prior.as_str() {
        "normal" => None,
        "fitted" => Some(prior_file::find(&args.model, None, &weights)?),
        path => Some(prior_file::find(&args.model, Some(Path::new(path)), &weights)?),
    };
    let columns = f64::from(args.count).sqrt().ceil() as u32;
    out.check_size([columns, columns], config.size)?;
    let adapter = super::choose_keeping(&args.adapter)?;
    let build = ModelOptions { likelihood, ..ModelOptions::inference(config, args.count.min(BATCH)) };
    let mut vae = Vae::empty(Device::Gpu(&adapter), build)?;
    vae.load(&weights)?;

    let bar = Bar::new("sampling", false);
    let mut pictures = Vec::new();
    for first in (0..args.count).step_by(BATCH as usize) {
        let range = first..args.count.min(first + BATCH);
        for (index, picture) in range.clone().zip(draw(&mut vae, prior.as_ref(), range, args)?) {
            match &mut out {
                Pictures::Separate(folder) => {
                    folder.save(&file(index), &data::grid(&[picture], config.size, 1, 0))?;
                }
                Pictures::Sheet(_) => pictures.push(picture),
            }
        }
        bar.set((first + BATCH).min(args.count) as usize, args.count as usize);
    }
    bar.clear();
    match out {
        Pictures::Separate(folder) => folder.finish(),
        Pictures::Sheet(sheet) => load_model::save(&pictures, config.size, columns, &sheet)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The samples with these numbers, as RGB bytes.
fn draw(
    vae: &mut Vae,
    prior: Option<&Fitted>,
    range: std::ops::Range<u32>,
    args: &SampleArgs,
) -> Result<Vec<Vec<u8>>> {
    let pictures = match prior {
        None => vae.sample_range(range, args.seed, args.temperature)?,
        Some(prior) => vae.decode_rgba(&prior.draw_range(range, args.seed, args.temperature))?,
    };
    Ok(pictures.iter().map(|picture| data::rgb_of(picture)).collect())
}

/// The file of the prior, unless it is N(0, I).
fn prior_file(args: &SampleArgs) -> Option<std::path::PathBuf> {
    match args.prior.as_str() {
        "normal" => None,
        "fitted" => prior_file::beside(&args.model),
        path => Some(path.into()),
    }
}

/// Parts of the default name: all settings that change the picture and are not the defaults.
fn parts(args: &SampleArgs) -> Result<Vec<String>> {
    let mut parts = vec![names::model(&args.model)?, "sample".into()];
    match args.prior.as_str() {
        "normal" => {}
        "fitted" => parts.push("fitted".into()),
        path => parts.push(names::plain(Path::new(path))),
    }
    if args.temperature.to_bits() != 1f32.to_bits() {
        parts.push(format!("temperature_{}", args.temperature));
    }
    if args.count != COUNT {
        parts.push(format!("count_{}", args.count));
    }
    parts.push(format!("seed_{}", args.seed));
    Ok(parts)
}

/// The name of a separate sample's file.
fn file(index: u32) -> String {
    format!("{index:05}.png")
}
