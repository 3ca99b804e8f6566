//! The prior of a finished training: Gaussians or a flow, fitted to the latents of its pictures, and a grid of samples.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::config::{Architecture, FlowSize};
use wgvae::data::{self, Dataset};
use wgvae::generate::{Encoded, Prior, flow_file, prior_file};
use wgvae::model::flow::FlowSampling;
use wgvae::model::{Vae, architectures};
use wgvae::train::FlowLength;

use super::attempts::Training;
use super::settings::RunOptions;
use crate::cli::PriorKind;
use crate::commands::fit_flow::Fit;
use crate::commands::terminal::{Bar, Screen, shown};
use crate::commands::{fit_prior, load_model};

/// Pictures in the grid of samples.
const SAMPLES: u32 = 16;
/// Latent dimensions above which one Gaussian with all its covariances takes too long.
const MAX_DIMS: usize = 2048;
/// Pictures encoded at once.
const CHUNK: usize = 64;

/// The prior of a training that may leave the choice open: a spatial model shows noise for draws from N(0, I), the
/// reference does not.
fn resolved(options: &RunOptions, architecture: Architecture) -> PriorKind {
    let asked = options.flow.is_some() || options.flow_steps.is_some();
    match (options.prior, architecture) {
        (PriorKind::Auto, Architecture::Spatial) => PriorKind::Flow,
        (PriorKind::Auto, Architecture::Reference) if asked => PriorKind::Flow,
        (PriorKind::Auto, Architecture::Reference) => PriorKind::Normal,
        (kind, _) => kind,
    }
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
    let fitted = if encoded[0].dims <= MAX_DIMS {
        let fitted = fit_prior::mixture(&mut vae, &encoded[0], (vec![1], config.seed), &say)?;
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
        let classes = if data.classes.len() > 1 { data.classes.clone() } else { Vec::new() };
        let (seed, digest) = (config.seed, prior_file::digest(&model.weights));
        let fit = Fit { encoded, classes, size, length, seed, fitted: fitted.as_ref(), digest };
        fit.run(&adapter, &config.model, (stop, quiet), &say)?
    } else {
        None
    };
    if let Some(flow) = &flow {
        let path = flow_file::place(&run.path);
        flow.write(&path)?;
        screen.say(&format!("wrote {}", shown(&path)));
    }
    drop(vae);
    if flow.is_none() && fitted.is_none() {
        return Ok(None);
    }
    let prior = Prior::best(flow.is_some(), fitted.as_ref());
    let sampled = flow.as_ref().map(|flow| (flow, flow.sampling(FlowSampling::STEPS, None)));
    let mut vae = load_model::build(&adapter, &model, SAMPLES, sampled)?;
    let pictures = prior.draw(&mut vae, 0..SAMPLES, (config.seed, 1.0))?;
    let pictures: Vec<Vec<u8>> = pictures.iter().map(|picture| data::rgb_of(picture)).collect();
    let grid = data::grid(&pictures, config.model.size, 4, data::GAP);
    let [own, copy] = run.pictures("prior", config.epochs);
    data::save_png(&grid, &own)?;
    data::save_png(&grid, &copy)?;
    Ok(Some(copy))
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
