//! Sample grids: pictures that show the progress of a training, samples from the prior and reconstructions.
//! Read this to change the pictures of an epoch.

use std::path::PathBuf;

use image::RgbImage;

use super::{RunFolder, Splits};
use crate::checkpoint::State;
use crate::config::Architecture;
use crate::data::{self, Dataset};
use crate::error::Result;
use crate::model::Vae;
use crate::prior::{self, Mixture, Settings};

/// Pictures in the grid of samples, 4 x 4.
const SAMPLES: u32 = 16;
/// Pictures that the Gaussian of a spatial model's samples is fitted to.
const FITTED_PICTURES: usize = 256;
/// Latent dimensions above which that Gaussian takes too long for every epoch.
const FITTED_DIMS: usize = 1024;
/// Pictures per row in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 8;

/// Draws a grid of samples and one of reconstructions, each with its name.
pub(super) fn grids(vae: &mut Vae, data: &Splits, state: &State) -> Result<Vec<(&'static str, RgbImage)>> {
    let size = state.config.model.size;
    let samples = samples(vae, &data.train, state)?;
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

/// Samples: of N(0, I) for the reference, and for a spatial model, whose cells depend on each other, of a Gaussian fitted
/// to the latents of the first pictures.
fn samples(vae: &mut Vae, pictures: &Dataset, state: &State) -> Result<Vec<Vec<u32>>> {
    let (seed, dims) = (state.config.seed, vae.config().latents() as usize);
    let fitted = match vae.config().architecture {
        Architecture::Spatial if dims <= FITTED_DIMS => gaussian(vae, pictures, seed)?,
        _ => None,
    };
    match fitted {
        Some(prior) => {
            let draws = (0..u64::from(SAMPLES)).flat_map(|index| prior.sample(seed, index, 1.0));
            vae.decode_rgba(&draws.collect::<Vec<f32>>())
        }
        None => vae.sample(SAMPLES, seed, 1.0),
    }
}

/// One Gaussian of the latents of the first pictures; `None` if they are too few or all equal.
fn gaussian(vae: &mut Vae, pictures: &Dataset, seed: u64) -> Result<Option<Mixture>> {
    let readable = (0..pictures.len()).filter_map(|i| pictures.get(i).ok().map(|p| data::rgba_of(&p)));
    let rgba: Vec<Vec<u32>> = readable.take(FITTED_PICTURES).collect();
    let latents = vae.encode_rgba(&rgba.concat(), rgba.len() as u32)?;
    let rows = vae.reparameterize(&latents, seed, 0)?;
    let settings = Settings { components: vec![1], seed, ..Settings::default() };
    let dims = vae.config().latents() as usize;
    Ok(prior::fit(&rows, dims, &settings, &mut |_| ()).ok().map(|fit| fit.prior))
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
