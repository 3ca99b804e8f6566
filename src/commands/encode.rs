//! `wgvae encode`: pictures to latents.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate::{self, prior_file};

use super::destination::Writer;
use super::terminal::shown;
use super::{load_model, names, output};
use crate::cli::{EncodeArgs, ForceArgs, TrainedArgs};

pub fn run(args: &EncodeArgs) -> Result<ExitCode> {
    if let Some(out) = &args.out {
        generate::check_extension(out)?;
    }
    let model = names::model_file(&args.trained.model)?;
    let parts = [names::model(&args.trained.model)?, "latents".into(), names::plain(&args.images[0])];
    let settings = EncodeArgs {
        trained: TrainedArgs { model: model.clone(), ..args.trained.clone() },
        images: names::settled_all(&args.images),
        out: None,
        force: ForceArgs::default(),
    };
    let writer = Writer::new("encode", args.force.force, &settings).reads([&model]).reads(&args.images);
    let out = writer.file(args.out.as_deref(), || names::tensors(&parts))?;
    let mut vae = load_model::open(&args.trained.model, &args.trained.adapter)?;
    let encoded = load_model::encode(&mut vae, &args.trained, &args.images)?;
    let model = prior_file::digest(&vae.weights()?);
    out.write(&generate::latents_file(&out.path, &encoded, Some((&out.mark, model)))?)?;
    let (pictures, dims) = (encoded.len(), encoded.dims);
    output::say(&format!("wrote {} ({pictures} pictures, {dims} latent dimensions)", shown(&out.path)));
    Ok(ExitCode::SUCCESS)
}
