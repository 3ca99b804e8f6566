//! The pictures that show how a training goes: samples from the prior, reconstructions.

use std::path::PathBuf;

use super::{Data, RunFolder};
use crate::checkpoint::State;
use crate::data;
use crate::error::Result;
use crate::model::Vae;

/// Pictures in the grid of samples, 4 x 4.
const SAMPLES: u32 = 16;
/// Pictures of a row in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 8;

/// A grid of samples and one of reconstructions, each in both of its places; the ones that the user looks at.
pub(super) fn draw(
    vae: &mut Vae,
    data: &Data,
    run: &RunFolder,
    state: &State,
    epoch: u32,
) -> Result<Vec<PathBuf>> {
    let size = state.config.model.size;
    let samples = vae.sample(SAMPLES, state.config.seed, 1.0)?;
    let samples: Vec<Vec<u8>> = samples.iter().map(|picture| data::rgb_of(picture)).collect();
    let mut written = vec![write(run, "sample", epoch, &data::grid(&samples, size, 4, data::GAP))?];
    // training pictures above, held-out ones below, each row over its reconstructions
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
        let sheet = data::grid(&rows, size, columns as u32, data::GAP);
        written.push(write(run, "reconstruction", epoch, &sheet)?);
    }
    Ok(written)
}

/// Writes a picture to both of its places; returns the one that the user looks at.
fn write(run: &RunFolder, what: &str, epoch: u32, picture: &image::RgbImage) -> Result<PathBuf> {
    let [own, shown] = run.pictures(what, epoch);
    data::save_png(picture, &own)?;
    data::save_png(picture, &shown)?;
    Ok(shown)
}
