//! `wgvae encode`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate;

use super::screen::{Bar, shown};
use super::trained;
use crate::cli::EncodeArgs;

pub fn run(args: &EncodeArgs) -> Result<ExitCode> {
    let inputs = trained::gather(&args.images)?;
    let mut vae = trained::open(&args.trained.model, &args.trained.adapter)?;
    let resize = trained::resize(&args.trained)?;
    let bar = Bar::new("encoding", false);
    let encoded = generate::encode(&mut vae, &inputs, resize, &mut |done| bar.set(done, inputs.len()));
    bar.clear();
    let (encoded, skipped) = encoded?;
    trained::name(&skipped);
    generate::write_latents(&args.out, &encoded)?;
    println!("{} pictures, {} latent dimensions: wrote {}", encoded.len(), encoded.dims, shown(&args.out));
    Ok(ExitCode::SUCCESS)
}
