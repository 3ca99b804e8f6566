//! `wgvae encode`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate;

use super::screen::shown;
use super::trained;
use crate::cli::EncodeArgs;

pub fn run(args: &EncodeArgs) -> Result<ExitCode> {
    generate::known(&args.out)?;
    let mut vae = trained::open(&args.trained.model, &args.trained.adapter)?;
    let encoded = trained::encode(&mut vae, &args.trained, &args.images)?;
    generate::write_latents(&args.out, &encoded)?;
    println!("{} pictures, {} latent dimensions: wrote {}", encoded.len(), encoded.dims, shown(&args.out));
    Ok(ExitCode::SUCCESS)
}
