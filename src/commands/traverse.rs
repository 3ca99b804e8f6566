//! `wgvae traverse`: pictures along single latent dimensions.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate::{self, prior_file};
use wgvae::model::Vae;

use super::destination::{Writer, usage};
use super::terminal::Bar;
use super::{load_model, names};
use crate::cli::{ForceArgs, TrainedArgs, TraverseArgs};

pub fn run(args: &TraverseArgs) -> Result<ExitCode> {
    if !(args.range.is_finite() && args.range > 0.0) || args.dims == 0 {
        return usage("--range and --dims: must be positive".into());
    }
    let model = names::model_file(&args.trained.model)?;
    let mut parts = vec![names::model(&args.trained.model)?, "traverse".into()];
    parts.extend(args.image.as_deref().map(names::plain));
    let settings = TraverseArgs {
        trained: TrainedArgs { model: model.clone(), ..args.trained.clone() },
        image: args.image.as_deref().map(names::settled),
        data: args.data.as_deref().map(names::settled),
        out: None,
        gif: false,
        force: ForceArgs::default(),
        ..args.clone()
    };
    let writer = Writer::new("traverse", args.force.force, &settings)
        .reads([&model])
        .reads(&args.image)
        .reads(&args.data)
        .reads(prior_file::beside(&args.trained.model));
    let out = load_model::picture(&writer, args.out.as_deref(), || names::picture(&parts))?;
    let film = args.gif.then(|| load_model::film_beside(&writer, &out)).transpose()?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let resize = load_model::resize(&args.trained)?;
    let (size, latent) = (vae.config().size, vae.config().latents());
    let (dims, steps) = (args.dims.min(latent), args.steps);
    load_model::sheet_fits([steps, dims], size, &out, "take fewer --dims or --steps")?;
    let centre = match &args.image {
        Some(path) => load_model::encode_picture(&mut vae, path, resize)?.1,
        None => vec![0.0; latent as usize],
    };
    let kl = divergences(args, &mut vae)?;
    let order: Vec<usize> = generate::by_kl(&kl).into_iter().take(dims as usize).collect();
    let value = |step: u32| args.range * (2.0 * step as f32 / (steps - 1) as f32 - 1.0);
    let mut z = Vec::new();
    for &dim in &order {
        for step in 0..steps {
            let mut point = centre.clone();
            point[dim] = value(step);
            z.extend(point);
        }
    }
    let bar = Bar::new("decoding", false);
    let pictures = load_model::decode(&mut vae, &z)?;
    drop(bar);
    println!(
        "dimension  KL in nats   (one row each from the top, values from {} to {})",
        -args.range, args.range
    );
    for &dim in &order {
        println!("{dim:9}  {:10.3}", kl[dim]);
    }
    load_model::save(&pictures, size, steps, &out)?;
    if let Some(film) = film {
        let columns = (order.len() as f64).sqrt().ceil() as u32;
        let at =
            |step: usize| pictures.iter().skip(step).step_by(steps as usize).cloned().collect::<Vec<_>>();
        let frames: Vec<_> = (0..steps as usize).map(at).collect();
        load_model::save_film(&frames, size, columns, &film)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Mean KL divergence of each dimension over pictures: those of --data, those of fit-prior, or IMAGE.
fn divergences(args: &TraverseArgs, vae: &mut Vae) -> Result<Vec<f64>> {
    if let Some(data) = &args.data {
        return Ok(load_model::encode(vae, &args.trained, std::slice::from_ref(data))?.kl());
    }
    if let Ok(prior) = prior_file::find(&args.trained.model, None, &vae.weights()?) {
        return Ok(prior.kl);
    }
    let Some(image) = &args.image else {
        return usage("pictures must rank the dimensions: give an IMAGE, or --data FOLDER".into());
    };
    Ok(load_model::encode(vae, &args.trained, std::slice::from_ref(image))?.kl())
}
