//! `wgvae export-web`: a static page that runs a model in the browser.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Model};
use wgvae::generate::{Fitted, prior_file};
use wgvae::model::{Device, ModelOptions, StateDict, Vae};
use wgvae::web::{self, Files, Page, Precision, Rounding};

use super::terminal::{bytes, shown};
use super::{destination, load_model};
use crate::cli::{ExportWebArgs, PageArgs};

/// Number of samples that are compared before and after rounding.
const SEEDS: u64 = 8;

pub fn run(args: &ExportWebArgs) -> Result<ExitCode> {
    // refuse before anything is computed
    destination::new_folder(&args.out)?;
    web::check(&args.out, args.force)?;
    let files = page(&args.page)?;
    web::write(&args.out, &files, args.force)?;
    println!("wrote {} ({})", shown(&args.out), sizes(&files));
    println!("open it with: wgvae web {}; or copy the folder to a web server with HTTPS", shown(&args.out));
    Ok(ExitCode::SUCCESS)
}

/// The page for the flags. Reports the error of rounding.
pub(super) fn page(args: &PageArgs) -> Result<Files> {
    let model = &args.trained.model;
    let Model { config, mut weights, likelihood, .. } = checkpoint::open(model)?;
    let prior = prior(args, &weights)?;
    let kl = match &args.data {
        Some(data) => Some(divergences(args, data)?),
        None => prior.as_ref().map(|prior| prior.kl.clone()),
    };
    if kl.is_none() {
        println!(
            "the sliders move the first dimensions; with fit-prior or --data, those with the largest KL divergence"
        );
    }
    let mut rounding = None;
    if args.half {
        let (rounded, largest) = web::halved(&weights)?;
        let found = compare(
            args,
            &ModelOptions { likelihood, ..ModelOptions::inference(config, 1) },
            [&weights, &rounded],
            largest,
        )?;
        println!(
            "rounded to 16 bits: parameters differ by at most {:.1e}, samples of seeds 0 to {} by at most {}/255, on {}",
            found.weights,
            SEEDS - 1,
            found.samples,
            found.adapter
        );
        rounding = Some(found);
        weights = rounded;
    }
    let page = Page {
        title: args.title.clone().unwrap_or_else(|| name(model)),
        config,
        likelihood,
        resize: load_model::resize(&args.trained)?,
        weights: &weights,
        precision: if args.half { Precision::F16 } else { Precision::F32 },
        rounding,
        prior: prior.as_ref(),
        kl,
    };
    Ok(page.files()?)
}

fn prior(args: &PageArgs, weights: &StateDict) -> Result<Option<Fitted>> {
    let place = match args.prior.as_deref() {
        Some("normal") => None,
        Some("fitted") => return Ok(Some(prior_file::find(&args.trained.model, None, weights)?)),
        Some(path) => Some(path.into()),
        None => prior_file::beside(&args.trained.model),
    };
    Ok(place.map(|place| Fitted::read(&place, weights)).transpose()?)
}

fn divergences(args: &PageArgs, data: &Path) -> Result<Vec<f64>> {
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    Ok(load_model::encode(&mut vae, &args.trained, &[data.to_owned()])?.kl())
}

/// The differences between samples of the exact and of the rounded parameters.
fn compare(args: &PageArgs, build: &ModelOptions, both: [&StateDict; 2], largest: f64) -> Result<Rounding> {
    let adapter = super::choose(&args.trained.adapter)?;
    let mut vae = Vae::empty(Device::Gpu(&adapter), *build)?;
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let [exact, rounded] = both.map(|weights| -> Result<Vec<u8>> {
        vae.load(weights)?;
        let mut all = Vec::new();
        for seed in &seeds {
            let pictures = vae.sample(1, *seed, 1.0)?;
            all.extend(pictures.iter().flatten().flat_map(|pixel| pixel.to_le_bytes()));
        }
        Ok(all)
    });
    let (exact, rounded) = (exact?, rounded?);
    let samples = exact.iter().zip(&rounded).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    Ok(Rounding { weights: largest, samples: samples.into(), seeds, adapter: vae.adapter() })
}

/// The name of a run, a checkpoint or a file.
fn name(model: &Path) -> String {
    let whole = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    shown(Path::new(name.unwrap_or_default()))
}

/// Sizes of the files that a visitor loads.
pub(super) fn sizes(files: &Files) -> String {
    let sum = |of: &dyn Fn(&str) -> bool| {
        bytes(files.iter().filter(|(name, _)| of(name)).map(|(_, bytes)| bytes.len() as u64).sum())
    };
    let stored = |name: &str| name.ends_with(".safetensors");
    format!("{} files, {} and {} of parameters", files.len(), sum(&|name| !stored(name)), sum(&stored))
}
