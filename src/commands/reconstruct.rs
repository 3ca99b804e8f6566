//! `wgvae reconstruct`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::data;
use wgvae::error::Error;
use wgvae::generate;

use super::screen::{Bar, shown};
use super::trained;
use crate::cli::ReconstructArgs;

/// Pictures of a row of the sheet.
const COLUMNS: u32 = 8;

pub fn run(args: &ReconstructArgs) -> Result<ExitCode> {
    let inputs = trained::gather(&args.images)?;
    let mut vae = trained::open(&args.trained.model, &args.trained.adapter)?;
    let resize = trained::resize(&args.trained)?;
    let size = vae.config().size;
    if !args.separate {
        let rows = 2 * (inputs.len() as u32).div_ceil(COLUMNS);
        trained::sheet_fits(COLUMNS, rows, size, "use --separate")?;
    }
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("samples/reconstruct"));
    let bar = Bar::new("reconstructing", false);
    let (mut originals, mut recons, mut done) = (Vec::new(), Vec::new(), 0);
    let skipped = generate::stream(&mut vae, &inputs, resize, |vae, chunk| {
        let rgba: Vec<u32> = chunk.rgb.iter().flat_map(|rgb| data::rgba_of(rgb)).collect();
        let recon = vae.reconstruct(&rgba, chunk.rgb.len() as u32)?;
        for ((input, original), recon) in chunk.inputs.iter().zip(chunk.rgb).zip(recon) {
            let recon = data::rgb_of(&recon);
            if args.separate {
                let path = folder.join(format!("{done:06}_{}.png", plain(&input.name)));
                data::save_png(&data::grid(&[recon], size, 1, 0), &path)?;
            } else {
                originals.push(original);
                recons.push(recon);
            }
            done += 1;
        }
        bar.set(done, inputs.len());
        Ok(())
    });
    bar.clear();
    let skipped = skipped?;
    trained::name(&skipped);
    if done == 0 {
        return Err(Error::Usage("not one of the pictures could be read".into()).into());
    }
    if args.separate {
        println!("{done} pictures in {}", shown(&folder));
        return Ok(ExitCode::SUCCESS);
    }
    let columns = COLUMNS.min(done as u32);
    let rows = originals.chunks(columns as usize).zip(recons.chunks(columns as usize));
    // originals over their reconstructions; a short last row is filled up, so that the two stay below each other
    let blank = vec![255; (size * size * 3) as usize];
    let filled = |row: &[Vec<u8>]| {
        let mut row = row.to_vec();
        row.resize(columns as usize, blank.clone());
        row
    };
    let sheet: Vec<Vec<u8>> = rows.flat_map(|(a, b)| [filled(a), filled(b)].concat()).collect();
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from("samples/reconstruct.png"));
    trained::save(&sheet, size, columns, &path)?;
    Ok(ExitCode::SUCCESS)
}

/// A name that is a file's on every system.
fn plain(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    stem.chars().map(plain).take(80).collect()
}
