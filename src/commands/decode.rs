//! `wgvae decode`: latents to pictures.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint;
use wgvae::data;
use wgvae::generate::{self, StoredLatents, prior_file};

use super::destination::Writer;
use super::terminal::{Bar, shown};
use super::{load_model, names, output};
use crate::cli::{DecodeArgs, ForceArgs};

pub fn run(args: &DecodeArgs) -> Result<ExitCode> {
    let model = names::model_file(&args.model)?;
    let latent = checkpoint::open(&args.model)?.config.latents() as usize;
    let StoredLatents { values: z, names, model: of } = generate::read_latents(&args.latents, latent)?;
    let rows = z.len() / latent;
    let parts = [names::model(&args.model)?, "decode".into(), names::plain(&args.latents)];
    let settings = DecodeArgs {
        model: model.clone(),
        latents: names::settled(&args.latents),
        out: None,
        force: ForceArgs::default(),
        ..args.clone()
    };
    let writer = Writer::new("decode", args.force.force, &settings).reads([&model, &args.latents]);
    let file = |row: usize| match names.get(row) {
        Some(name) => format!("{row:06}_{}.png", names::plain(Path::new(name))),
        None => format!("{row:06}.png"),
    };
    let files: Vec<String> = (0..rows).map(file).collect();
    let mut folder = writer.folder(args.out.as_deref(), &names::folder(&parts), &files)?;
    let mut vae = load_model::open(&args.model, &args.adapter)?;
    if of.is_some_and(|of| vae.weights().is_ok_and(|weights| prior_file::digest(&weights) != of)) {
        output::note(&format!(
            "warning: {} has latents of another model: the pictures are not those that were encoded",
            shown(&args.latents)
        ));
    }
    let size = vae.config().size;
    let bar = Bar::new("decoding", false);
    let mut done = 0;
    for some in z.chunks(latent * vae.micro_batch() as usize) {
        for picture in load_model::decode(&mut vae, some)? {
            folder.save(&file(done), &data::grid(&[picture], size, 1, 0))?;
            done += 1;
        }
        bar.set(done, rows);
    }
    bar.clear();
    folder.finish();
    Ok(ExitCode::SUCCESS)
}
