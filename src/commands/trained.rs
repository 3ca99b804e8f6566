//! What the commands share that use a trained model.

use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, Model, State};
use wgvae::data::{self, Resize, Skipped};
use wgvae::error::Error;
use wgvae::generate::{self, Encoded, Input};
use wgvae::model::{Build, Place, Vae};

use super::screen::{Bar, shown};
use crate::cli::{AdapterArgs, TrainedArgs};

/// Pictures computed at once.
const BATCH: u32 = 16;
/// Unreadable files that are named one by one.
const NAMED: usize = 10;
/// Largest side of a sheet in pixels.
const MAX_SIDE: u64 = 32_768;

/// The model on the adapter that the flags name.
pub(super) fn open(model: &Path, adapter: &AdapterArgs) -> Result<Vae> {
    let Model { config, weights, likelihood, .. } = checkpoint::open(model)?;
    let adapter = super::choose_keeping(adapter)?;
    let build = Build { likelihood, ..Build::inference(config, BATCH) };
    let mut vae = Vae::empty(Place::Gpu(&adapter), build)?;
    vae.load(&weights)?;
    Ok(vae)
}

/// How pictures become square: as the flags say, else as the run did it that the model is of.
pub(super) fn resize(args: &TrainedArgs) -> Result<Resize> {
    let model = checkpoint::find(&args.model)?;
    // a model alone has no state beside it
    let state = State::read(&model.with_file_name(checkpoint::STATE)).ok();
    let of_run = state.map(|state| state.config.resize);
    Ok(args.resize.or(of_run).unwrap_or_default())
}

/// The pictures that `paths` mean; what cannot be read is named.
pub(super) fn gather(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let (inputs, skipped) = generate::gather(paths)?;
    name(&skipped);
    Ok(inputs)
}

/// Names files that were left out, the first few one by one.
pub(super) fn name(skipped: &[Skipped]) {
    skipped.iter().take(NAMED).for_each(|problem| eprintln!("skipped {problem}"));
    if skipped.len() > NAMED {
        eprintln!("and {} more", skipped.len() - NAMED);
    }
}

/// Latents of the pictures that `images` mean, with a bar; what cannot be read is named.
pub(super) fn encode(vae: &mut Vae, args: &TrainedArgs, images: &[PathBuf]) -> Result<Encoded> {
    let inputs = gather(images)?;
    let resize = resize(args)?;
    let bar = Bar::new("encoding", false);
    let encoded = generate::encode(vae, &inputs, resize, &mut |done| bar.set(done, inputs.len()));
    bar.clear();
    let (encoded, skipped) = encoded?;
    name(&skipped);
    Ok(encoded)
}

/// One picture at the model's size, and the mean of its latents.
pub(super) fn one(vae: &mut Vae, path: &Path, resize: Resize) -> Result<(Vec<u8>, Vec<f32>)> {
    let rgb = data::load(path, vae.config().size, resize).map_err(|reason| Error::data(path, reason))?;
    let latents = vae.encode_rgba(&data::rgba_of(&rgb), 1)?;
    Ok((rgb, latents.mu))
}

/// Pictures from points of latent space, as RGB bytes.
pub(super) fn decode(vae: &mut Vae, z: &[f32]) -> Result<Vec<Vec<u8>>> {
    Ok(vae.decode_rgba(z)?.iter().map(|picture| data::rgb_of(picture)).collect())
}

/// An error if a sheet of so many pictures would be too large for one file.
pub(super) fn sheet_fits(columns: u32, rows: u32, size: u32, instead: &str) -> Result<()> {
    let side = u64::from(columns.max(rows)) * u64::from(size + data::GAP);
    if side > MAX_SIDE {
        let message =
            format!("{columns} x {rows} pictures of {size} px are too large for one file; {instead}");
        return Err(Error::Usage(message).into());
    }
    Ok(())
}

/// Writes a sheet and says so.
pub(super) fn save(pictures: &[Vec<u8>], size: u32, columns: u32, path: &Path) -> Result<()> {
    data::save_png(&data::grid(pictures, size, columns, data::GAP), path)?;
    println!("wrote {}", shown(path));
    Ok(())
}

/// Writes a film there and back beside `path`: each frame a sheet of `columns`.
pub(super) fn save_film(frames: &[Vec<Vec<u8>>], size: u32, columns: u32, path: &Path) -> Result<()> {
    let sheets: Vec<_> = frames.iter().map(|frame| data::grid(frame, size, columns, 0)).collect();
    let path = path.with_extension("gif");
    data::save_gif(&generate::shuttle(&sheets), 80, &path)?;
    println!("wrote {}", shown(&path));
    Ok(())
}
