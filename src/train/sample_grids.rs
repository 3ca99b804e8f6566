//! Sample grids: pictures that show the progress of a training, samples from the prior and reconstructions.
//! Read this to change the pictures of an epoch.

use std::path::PathBuf;

use image::RgbImage;

use super::{RunFolder, Splits};
use crate::checkpoint::State;
use crate::data;
use crate::error::Result;
use crate::model::Vae;

/// Pictures in the grid of samples, 4 x 4.
const SAMPLES: u32 = 16;
/// Pictures per row in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 8;

/// Draws a grid of samples and one of reconstructions, each with its name.
pub(super) fn grids(vae: &mut Vae, data: &Splits, state: &State) -> Result<Vec<(&'static str, RgbImage)>> {
    let size = state.config.model.size;
    let samples = vae.sample(SAMPLES, state.config.seed, 1.0)?;
    let samples: Vec<Vec<u8>> = samples.iter().map(|picture| data::rgb_of(picture)).collect();
    let mut grids = vec![("sample", data::grid(&samples, size, 4, data::GAP))];
    // training pictures above, held-out ones below, each row above its reconstructions
    let mut rows = Vec::new();
    let sources = [Some(data.train.clone()), data.validation.clone()];
    let most = sources.iter().flatten().map(|pictures| pictures.len()).min().unwrap_or(0);
    let columns = RECONSTRUCTIONS.min(most);
    for source in sources.iter().flatten() {
        let readable = (0..source.len()).filter_map(|i| source.get(i).ok().map(|p| p.into_owned()));
        let originals: Vec<Vec<u8>> = readable.take(columns).collect();
        let packed: Vec<u32> = originals.iter().flat_map(|picture| data::rgba_of(picture)).collect();
        let recon = vae.reconstruct(&packed, originals.len() as u32)?;
        rows.extend(originals);
        rows.extend(recon.iter().map(|picture| data::rgb_of(picture)));
    }
    if !rows.is_empty() {
        grids.push(("reconstruction", data::grid(&rows, size, columns as u32, data::GAP)));
    }
    Ok(grids)
}

/// Writes the grids of an epoch, each to both of its paths; returns the paths in the samples folder.
pub(super) fn write(run: &RunFolder, epoch: u32, grids: &[(&str, RgbImage)]) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (what, grid) in grids {
        let [own, shown] = run.pictures(what, epoch);
        data::save_png(grid, &own)?;
        data::save_png(grid, &shown)?;
        written.push(shown);
    }
    Ok(written)
}
