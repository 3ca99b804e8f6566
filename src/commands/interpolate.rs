//! `wgvae interpolate`: pictures between two pictures in latent space.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate::{self, Interpolation};

use super::destination::Writer;
use super::terminal::Bar;
use super::{load_model, names};
use crate::cli::{ForceArgs, InterpolateArgs, TrainedArgs};

pub fn run(args: &InterpolateArgs) -> Result<ExitCode> {
    let model = names::model_file(&args.trained.model)?;
    let [from, to] = [&args.from, &args.to].map(|path| names::settled(path));
    let parts =
        [names::model(&args.trained.model)?, "interpolate".into(), names::plain(&from), names::plain(&to)];
    let settings = InterpolateArgs {
        trained: TrainedArgs { model: model.clone(), ..args.trained.clone() },
        from,
        to,
        out: None,
        gif: false,
        force: ForceArgs::default(),
        ..args.clone()
    };
    let writer =
        Writer::new("interpolate", args.force.force, &settings).reads([&model, &args.from, &args.to]);
    let out = load_model::picture(&writer, args.out.as_deref(), || names::picture(&parts))?;
    let film = args.gif.then(|| load_model::film_beside(&writer, &out)).transpose()?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let how = load_model::reading(&args.trained)?;
    let size = vae.config().size;
    let scale = args.scale.scale;
    load_model::sheet_fits([args.steps + 2, 1], size * scale, &out, "take fewer --steps")?;
    let bar = Bar::new("computing", false);
    let (first, a) = load_model::encode_picture(&mut vae, &args.from, how)?;
    let (last, b) = load_model::encode_picture(&mut vae, &args.to, how)?;
    let way = if args.linear { Interpolation::Linear } else { Interpolation::Spherical };
    let points = generate::interpolate(&a, &b, args.steps as usize, way);
    let pictures = load_model::decode(&mut vae, &points.concat())?;
    let strip: Vec<Vec<u8>> = std::iter::once(first).chain(pictures.clone()).chain([last]).collect();
    drop(bar);
    load_model::save(&strip, [size, scale], strip.len() as u32, &out)?;
    if let Some(film) = film {
        let frames: Vec<_> = pictures.into_iter().map(|picture| vec![picture]).collect();
        load_model::save_film(&frames, [size, scale], 1, &film)?;
    }
    Ok(ExitCode::SUCCESS)
}
