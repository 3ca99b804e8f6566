//! `wgvae interpolate`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::generate::{self, Way};

use super::trained;
use crate::cli::InterpolateArgs;

pub fn run(args: &InterpolateArgs) -> Result<ExitCode> {
    let mut vae = trained::open(&args.trained.model, &args.trained.adapter)?;
    let resize = trained::resize(&args.trained)?;
    let size = vae.config().size;
    trained::sheet_fits(args.steps + 2, 1, size, "take fewer --steps")?;
    let (first, a) = trained::one(&mut vae, &args.from, resize)?;
    let (last, b) = trained::one(&mut vae, &args.to, resize)?;
    let way = if args.linear { Way::Linear } else { Way::Spherical };
    let points = generate::between(&a, &b, args.steps as usize, way);
    let pictures = trained::decode(&mut vae, &points.concat())?;
    let strip: Vec<Vec<u8>> = std::iter::once(first).chain(pictures.clone()).chain([last]).collect();
    trained::save(&strip, size, strip.len() as u32, &args.out)?;
    if args.gif {
        let frames: Vec<_> = pictures.into_iter().map(|picture| vec![picture]).collect();
        trained::save_film(&frames, size, 1, &args.out)?;
    }
    Ok(ExitCode::SUCCESS)
}
