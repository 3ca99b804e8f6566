//! `wgvae traverse`: pictures along single directions of latent space.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate::{Axes, Fitted, prior_file};
use wgvae::model::Vae;

use super::destination::{Writer, usage};
use super::prior::Beside;
use super::terminal::Bar;
use super::{load_model, names, output};
use crate::cli::{ForceArgs, TrainedArgs, TraverseArgs};

pub fn run(args: &TraverseArgs) -> Result<ExitCode> {
    if !(args.range.is_finite() && args.range > 0.0) || args.dims == 0 {
        return usage("--range and --dims: must be positive".into());
    }
    let Sources { image, folder } = sources(args)?;
    let model = names::model_file(&args.trained.model)?;
    let mut parts = vec![names::model(&args.trained.model)?, "traverse".into()];
    parts.extend(image.map(names::plain));
    let settings = TraverseArgs {
        trained: TrainedArgs { model: model.clone(), ..args.trained.clone() },
        images: image.into_iter().map(names::settled).collect(),
        data: folder.map(names::settled),
        out: None,
        gif: false,
        force: ForceArgs::default(),
        ..args.clone()
    };
    let writer = Writer::new("traverse", args.force.force, &settings)
        .reads([&model])
        .reads(image)
        .reads(folder)
        .reads(prior_file::beside(&args.trained.model));
    let out = load_model::picture(&writer, args.out.as_deref(), || names::picture(&parts))?;
    let film = args.gif.then(|| load_model::film_beside(&writer, &out)).transpose()?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let how = load_model::reading(&args.trained)?;
    let (size, latent) = (vae.config().size, vae.config().latents());
    let (dims, steps) = (args.dims.min(latent), args.steps);
    let scale = args.scale.scale;
    load_model::sheet_fits([steps, dims], size * scale, &out, "take fewer --dims or --steps")?;
    let axes = axes(args, &mut vae, dims as usize)?;
    let centre = match image {
        Some(path) => load_model::encode_picture(&mut vae, path, how)?.1,
        None => axes.mean.iter().map(|&mean| mean as f32).collect(),
    };
    let value = |step: u32| args.range * (2.0 * step as f32 / (steps - 1) as f32 - 1.0);
    let mut z = Vec::new();
    for axis in &axes.list {
        for step in 0..steps {
            let mut point = centre.clone();
            axis.move_to(&axes.mean, &mut point, value(step).into());
            z.extend(point);
        }
    }
    let bar = Bar::new("decoding", false);
    let pictures = load_model::decode(&mut vae, &z)?;
    drop(bar);
    print(&axes, args.range);
    load_model::save(&pictures, [size, scale], steps, &out)?;
    if let Some(film) = film {
        let columns = (axes.list.len() as f64).sqrt().ceil() as u32;
        let at =
            |step: usize| pictures.iter().skip(step).step_by(steps as usize).cloned().collect::<Vec<_>>();
        let frames: Vec<_> = (0..steps as usize).map(at).collect();
        load_model::save_film(&frames, [size, scale], columns, &film)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pictures that DATA names.
struct Sources<'a> {
    /// to start from
    image: Option<&'a Path>,
    /// that rank the dimensions, or give the directions
    folder: Option<&'a Path>,
}

/// DATA is a picture, a folder, or both. `--data` names the folder, too.
fn sources(args: &TraverseArgs) -> Result<Sources<'_>> {
    let (folders, images): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.images.iter().partition(|path| path.is_dir());
    let folders: Vec<&PathBuf> = folders.into_iter().chain(&args.data).collect();
    if folders.len() > 1 || images.len() > 1 {
        return usage("give one picture to start from, and one folder of pictures, at most".into());
    }
    let [image, folder] = [images, folders].map(|all| all.first().map(|path| path.as_path()));
    Ok(Sources { image, folder })
}

/// The directions of a spatial model are the principal ones of its latents, because each of its dimensions changes one
/// small patch; those of the reference are its dimensions.
fn axes(args: &TraverseArgs, vae: &mut Vae, count: usize) -> Result<Axes> {
    let latent = vae.config().latents();
    if vae.config().architecture.is_reference() {
        return Ok(Axes::new(latent, count, Some(&divergences(args, vae)?), None)?);
    }
    if let Some(data) = sources(args)?.folder {
        let encoded = load_model::encode(vae, &args.trained, &[data.to_path_buf()])?;
        return Ok(Axes::of_latents(&encoded.mu, encoded.dims, count)?);
    }
    let weights = vae.weights()?;
    match Beside::own(&args.trained.model, &weights).fitted {
        Some(path) => Ok(Axes::new(latent, count, None, Some(&Fitted::read(&path, &weights)?))?),
        None => usage(
            "a spatial model needs pictures for its principal directions: give DATA, a folder of them".into(),
        ),
    }
}

fn print(axes: &Axes, range: f32) {
    let (name, measure) = match axes.kind {
        "principal" => ("direction", "of variance"),
        _ => ("dimension", "KL in nats"),
    };
    output::say(&format!(
        "{name}  {measure}   (one row each from the top, values from {} to {range})",
        -range
    ));
    for (at, axis) in axes.list.iter().enumerate() {
        match (axis.dimension, axis.kl) {
            (Some(dimension), kl) => {
                output::say(&format!("{dimension:9}  {:10.3}", kl.unwrap_or(0.0)));
            }
            (None, _) => output::say(&format!("{at:9}  {:9.1} %", 100.0 * axis.share.unwrap_or(0.0))),
        }
    }
}

/// Mean KL divergence of each dimension over pictures: those of the folder, those of fit-prior, or the one to start from.
fn divergences(args: &TraverseArgs, vae: &mut Vae) -> Result<Vec<f64>> {
    let Sources { image, folder } = sources(args)?;
    if let Some(data) = folder {
        return Ok(load_model::encode(vae, &args.trained, &[data.to_path_buf()])?.kl());
    }
    if let Ok(prior) = prior_file::find(&args.trained.model, None, &vae.weights()?) {
        return Ok(prior.kl);
    }
    let Some(image) = image else {
        return usage("pictures must rank the dimensions: give DATA, a picture or a folder of them".into());
    };
    Ok(load_model::encode(vae, &args.trained, &[image.to_path_buf()])?.kl())
}
