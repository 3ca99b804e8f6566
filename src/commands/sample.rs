//! `wgvae sample`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Model};
use wgvae::data;
use wgvae::error::Error;
use wgvae::generate::fitted;
use wgvae::model::{Build, Place, Vae};

use super::screen::shown;
use crate::cli::SampleArgs;

/// Largest side of a grid in pixels.
const MAX_SIDE: u32 = 32_768;
/// Pictures computed at once.
const BATCH: u32 = 16;

pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    if args.count == 0 || args.count > 100_000 {
        return Err(Error::Usage(format!("--count {}: must be between 1 and 100000", args.count)).into());
    }
    if !args.temperature.is_finite() || args.temperature < 0.0 {
        return Err(
            Error::Usage(format!("--temperature {}: must be zero or positive", args.temperature)).into()
        );
    }
    let Model { config, weights, likelihood, .. } = checkpoint::open(&args.model)?;
    let prior = match args.prior.as_str() {
        "normal" => None,
        "fitted" => Some(fitted::find(&args.model, None, &weights)?),
        path => Some(fitted::find(&args.model, Some(Path::new(path)), &weights)?),
    };
    let columns = f64::from(args.count).sqrt().ceil() as u32;
    if !args.separate && columns * config.size > MAX_SIDE {
        let count = args.count;
        return Err(Error::Usage(format!(
            "--count {count}: a grid too large for one picture; use --separate"
        ))
        .into());
    }
    let adapter = super::choose_keeping(&args.adapter)?;
    let build = Build { likelihood, ..Build::inference(config, args.count.min(BATCH)) };
    let mut vae = Vae::empty(Place::Gpu(&adapter), build)?;
    vae.load(&weights)?;
    let pictures = match prior {
        None => vae.sample(args.count, args.seed, args.temperature)?,
        Some(prior) => vae.decode_rgba(&prior.draw(args.count, args.seed, args.temperature))?,
    };
    let pictures: Vec<Vec<u8>> = pictures.iter().map(|picture| data::rgb_of(picture)).collect();
    let name = format!("sample_seed_{}", args.seed);
    if args.separate {
        let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("samples").join(&name));
        for (index, picture) in pictures.iter().enumerate() {
            let path = folder.join(format!("{index:05}.png"));
            data::save_png(&data::grid(std::slice::from_ref(picture), config.size, 1, 0), &path)?;
        }
        println!("{} pictures in {}", pictures.len(), shown(&folder));
    } else {
        let path = args.out.clone().unwrap_or_else(|| PathBuf::from("samples").join(format!("{name}.png")));
        data::save_png(&data::grid(&pictures, config.size, columns, data::GAP), &path)?;
        println!("{}", shown(&path));
    }
    Ok(ExitCode::SUCCESS)
}
