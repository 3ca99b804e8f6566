//! `wgvae decode`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::data;
use wgvae::generate;

use super::screen::{Bar, shown};
use super::trained;
use crate::cli::DecodeArgs;

pub fn run(args: &DecodeArgs) -> Result<ExitCode> {
    let mut vae = trained::open(&args.model, &args.adapter)?;
    let (size, latent) = (vae.config().size, vae.config().latent as usize);
    let z = generate::read_latents(&args.latents, latent)?;
    let rows = z.len() / latent;
    let bar = Bar::new("decoding", false);
    let mut done = 0;
    for some in z.chunks(latent * vae.micro() as usize) {
        for picture in trained::decode(&mut vae, some)? {
            let path = args.out.join(format!("{done:06}.png"));
            data::save_png(&data::grid(&[picture], size, 1, 0), &path)?;
            done += 1;
        }
        bar.set(done, rows);
    }
    bar.clear();
    println!("{rows} pictures in {}", shown(&args.out));
    Ok(ExitCode::SUCCESS)
}
