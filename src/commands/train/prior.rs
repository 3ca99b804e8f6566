//! The prior of a finished training: Gaussians or a flow, fitted to the latents of its pictures, and a grid of samples.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::config::{Architecture, FlowSize};
use wgvae::data::{self, Dataset};
use wgvae::evaluate::Pictures;
use wgvae::generate::{Encoded, Prior, flow_file, prior_file};
use wgvae::model::flow::FlowSampling;
use wgvae::model::{Vae, architectures};
use wgvae::train::{FlowLength, Splits};

use super::attempts::Training;
use super::settings::RunOptions;
use crate::cli::PriorKind;
use crate::commands::compare_priors::{MAX_PICTURES, Sets};
use crate::commands::fit_flow::Fit;
use crate::commands::terminal::{Bar, Screen, shown};
use crate::commands::{fit_prior, load_model};

/// Pictures in the grid of samples.
const SAMPLES: u32 = 16;
/// Rows of the grid of samples of classes, at most.
const MAX_ROWS: u32 = 16;
/// Latent dimensions above which one Gaussian with all its covariances takes too long.
const MAX_DIMS: usize = 2048;
/// Pictures encoded at once.
const CHUNK: usize = 64;

/// The prior of a training that may leave the choice open: a spatial model shows noise for draws from N(0, I), the
/// reference does not.
fn resolved(options: &RunOptions, architecture: Architecture) -> PriorKind {
    let asked = options.flow.is_some() || options.flow_steps.is_some();
    match (options.prior, architecture) {
        (PriorKind::Auto, _) if asked => PriorKind::Flow,
        // a flow that takes no longer than the demo's training is worse than the Gaussians of its classes
        (PriorKind::Auto, Architecture::Spatial) if options.data.is_none() => PriorKind::Gaussian,
        (PriorKind::Auto, Architecture::Spatial) => PriorKind::Flow,
        (PriorKind::Auto, Architecture::Reference) => PriorKind::Normal,
        (kind, _) => kind,
    }
}

/// Whether a flow is fitted after the last epoch, for as long as the training takes.
pub(super) fn fits_flow(options: &RunOptions, architecture: Architecture) -> bool {
    resolved(options, architecture) == PriorKind::Flow && options.flow_steps.is_none()
}

/// A line for few pictures, about the samples of a flow; docs/training.md has the figures.
pub(super) fn advice(options: &RunOptions, architecture: Architecture, pictures: usize) -> Option<String> {
    if resolved(options, architecture) != PriorKind::Flow {
        return None;
    }
    let what = match pictures {
        0..250 => {
            "are few for samples: they will be blurred, or like single pictures; 400 do better, 2,000 better still"
        }
        250..1000 => "give samples the colours and textures of the pictures; 2,000 do better",
        _ => return None,
    };
    Some(format!("{pictures} pictures {what} (docs/training.md#how-many-pictures)"))
}

/// Fits the prior that the settings ask for, writes it to the run, and draws a grid of samples; returns the grid's path.
/// Nothing if `stop` is set.
pub(super) fn fit(
    screen: &Screen,
    (training, pictures): (&Training, u64),
    (stop, quiet): (&AtomicBool, bool),
) -> Result<Option<PathBuf>> {
    let Training { run, data, settings, .. } = training;
    let (config, options) = (&settings.config, &settings.options);
    let kind = resolved(options, config.model.architecture);
    if kind == PriorKind::Normal {
        return Ok(None);
    }
    let adapter = crate::commands::choose_keeping(&options.adapter)?;
    let model = checkpoint::open(&run.path)?;
    let mut vae = load_model::build(&adapter, &model, load_model::BATCH, None)?;
    let mut encoded = vec![encode(&mut vae, &data.train, &data.classes, false, quiet)?];
    let say = |line: &str| screen.say(line);
    let classes = if data.classes.len() > 1 { data.classes.clone() } else { Vec::new() };
    let fitted = if encoded[0].dims <= MAX_DIMS {
        let fitted = fit_prior::gaussians(&mut vae, &encoded[0], (&classes, config.seed), &say)?;
        fitted.write(&prior_file::place(&run.path))?;
        Some(fitted)
    } else {
        None
    };
    let flow = if kind == PriorKind::Flow {
        if config.augmentation.flip {
            encoded.push(encode(&mut vae, &data.train, &data.classes, true, quiet)?);
        }
        let trained = 3.0 * architectures::forward_flops(&config.model) as f64 * pictures as f64;
        let software = adapter.is_software();
        let size = options.flow.unwrap_or(if software { FlowSize::Small } else { FlowSize::Wide });
        let length = options.flow_steps.map_or(FlowLength::Flops(trained), FlowLength::Steps);
        // the built-in landscapes are not worth the time
        let sets = || sets(data);
        let sets: Option<&dyn Fn() -> Result<Sets>> = if options.data.is_some() { Some(&sets) } else { None };
        let fit = Fit { encoded, classes, size, length, seed: config.seed, fitted: fitted.as_ref(), sets };
        fit.run(&adapter, &model, (stop, quiet), &say)?
    } else {
        None
    };
    if let Some(flow) = &flow {
        let path = flow_file::place(&run.path);
        flow.write(&path)?;
        screen.say(&format!("wrote {}", shown(&path)));
    } else if let Some(path) = flow_file::beside(&run.path) {
        screen.say(&format!("the earlier flow {} stays", shown(&path)));
    }
    drop(vae);
    if flow.is_none() && fitted.is_none() {
        return Ok(None);
    }
    let prior = Prior::best(flow.is_some(), fitted.as_ref());
    let classes = match (&flow, &fitted) {
        (Some(flow), _) => flow.classes.len() as u32,
        (None, Some(fitted)) => fitted.classes.len() as u32,
        (None, None) => 0,
    };
    let guidance = Some(FlowSampling::GUIDANCE);
    let sampled = flow.as_ref().map(|flow| (flow, flow.sampling(FlowSampling::STEPS, guidance)));
    // a row for each class, or one square
    let (rows, [columns, count]) = match classes {
        0 => (vec![prior], [4, SAMPLES]),
        _ => ((0..classes.min(MAX_ROWS)).map(|label| prior.of_class(label)).collect(), [8, 8]),
    };
    let mut vae = load_model::build(&adapter, &model, count, sampled)?;
    let mut pictures = Vec::new();
    for prior in rows {
        pictures.extend(prior.draw(&mut vae, 0..count, (config.seed, 1.0))?);
    }
    let pictures: Vec<Vec<u8>> = pictures.iter().map(|picture| data::rgb_of(picture)).collect();
    let grid = data::grid(&pictures, config.model.size, columns, data::GAP);
    let [own, copy] = run.pictures("prior", config.epochs);
    data::save_png(&grid, &own)?;
    data::save_png(&grid, &copy)?;
    Ok(Some(copy))
}

/// Training and validation pictures.
fn sets(splits: &Splits) -> Result<Sets> {
    let classes = &splits.classes;
    let read = |all: &Dataset| -> Result<Pictures> {
        let mut pictures = Pictures::default();
        for at in data::evenly(all.len(), MAX_PICTURES) {
            pictures.rgb.push(all.get(at)?.into_owned());
            pictures.classes.push(classes.get(all.label(at) as usize).cloned().unwrap_or_default());
        }
        Ok(pictures)
    };
    Ok(match &splits.validation {
        Some(validation) => {
            let (training, compared) = (read(&splits.train)?, read(validation)?);
            Sets { training, compared, about: "validation pictures" }
        }
        None => {
            let compared = read(&splits.train)?;
            Sets { training: Pictures::default(), compared, about: "training pictures" }
        }
    })
}

/// The latents of the training pictures.
fn encode(
    vae: &mut Vae,
    pictures: &Dataset,
    classes: &[String],
    mirror: bool,
    quiet: bool,
) -> Result<Encoded> {
    let config = vae.config();
    let row = 3 * config.size as usize;
    let mut all = Encoded { dims: config.latents() as usize, ..Encoded::default() };
    let bar = Bar::new("encoding", quiet);
    for first in (0..pictures.len()).step_by(CHUNK) {
        let few = first..pictures.len().min(first + CHUNK);
        let mut rgba = Vec::new();
        for at in few.clone() {
            let mut rgb = pictures.get(at)?.into_owned();
            if mirror {
                data::mirror(&mut rgb, row);
            }
            rgba.extend(data::rgba_of(&rgb));
            all.names.push(pictures.name(at));
            all.classes.push(classes.get(pictures.label(at) as usize).cloned().unwrap_or_default());
        }
        let latents = vae.encode_rgba(&rgba, few.len() as u32)?;
        all.mu.extend(latents.mu);
        all.logvar.extend(latents.logvar);
        bar.set(few.end, pictures.len());
    }
    bar.clear();
    Ok(all)
}
