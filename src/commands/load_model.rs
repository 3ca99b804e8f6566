//! Functions of the commands that use a trained model: its adapter, its pictures, its output files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use image::{RgbImage, imageops};
use wgvae::checkpoint::{self, Model, State};
use wgvae::data::{self, Mark, PictureFormat, Reading, Skipped};
use wgvae::error::Error;
use wgvae::generate::{self, Encoded, FittedFlow, Input};
use wgvae::gpu::Adapter;
use wgvae::model::flow::FlowSampling;
use wgvae::model::{Device, ModelOptions, Vae};

use super::destination::{Destination, Writer, usage};
use super::names;
use super::out_folder::OutFolder;
use super::output;
use super::terminal::{Bar, shown};
use crate::cli::{AdapterArgs, TrainedArgs};

/// Pictures computed at once.
pub(super) const BATCH: u32 = 16;
/// Largest number of unreadable files that are named one by one.
const MAX_NAMED: usize = 10;
/// Milliseconds per frame of an animation.
const FRAME_MS: u32 = 80;

/// The model's file that was named last.
static NAMED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Reads MODEL. Says which checkpoint it is, and what was left out of a foreign file.
pub(super) fn read(model: &Path) -> Result<Model> {
    let file = checkpoint::find(model)?;
    let read = checkpoint::read_model(&file)?;
    // a command may read its model twice
    let is_named =
        NAMED.lock().unwrap_or_else(PoisonError::into_inner).replace(file.clone()) == Some(file.clone());
    if let Some(which) = checkpoint_of(&file).filter(|_| !is_named) {
        output::remark(&format!("model: {which}"));
    }
    for note in &read.notes {
        output::note(&format!("{}: {note}", shown(model)));
    }
    Ok(read)
}

/// The checkpoint that a model's file is in: its folder, whether it is the best or the last one of its run, and its epoch.
/// `None` for a file alone.
pub(super) fn checkpoint_of(file: &Path) -> Option<String> {
    let folder = data::folder_of(file);
    let state = State::read(&folder.join(checkpoint::STATE)).ok()?;
    let all = folder.parent().unwrap_or(folder);
    let named = |pointer: &&str| {
        checkpoint::resolve_pointer(all, pointer).is_some_and(|at| at.file_name() == folder.file_name())
    };
    let names: Vec<&str> = ["best", "last"].into_iter().filter(|pointer| named(pointer)).collect();
    let which = if names.is_empty() { String::new() } else { format!("{}, ", names.join(" and ")) };
    let (epoch, step) = (state.epoch, state.step_in_epoch);
    let when = if step == 0 {
        format!("epoch {}", epoch.saturating_sub(1))
    } else {
        format!("step {step} of epoch {epoch}")
    };
    Some(format!("{} ({which}{when})", shown(folder)))
}

/// The model on the adapter that the flags name.
pub(super) fn open(model: &Path, adapter: &AdapterArgs) -> Result<Vae> {
    let _bar = Bar::new("loading the model", false);
    let model = read(model)?;
    build(&super::choose_keeping(adapter)?, &model, BATCH, None)
}

/// The model on this adapter, for `batch` pictures at once; with a flow, samples can be drawn from it.
pub(super) fn build(
    adapter: &Adapter,
    Model { config, weights, likelihood, .. }: &Model,
    batch: u32,
    flow: Option<(&FittedFlow, FlowSampling)>,
) -> Result<Vae> {
    let inference = ModelOptions::inference(*config, batch);
    let sampling = flow.map(|(_, sampling)| sampling);
    let build = ModelOptions { likelihood: *likelihood, flow: sampling, ..inference };
    let mut vae = Vae::empty(Device::Gpu(adapter), build)?;
    vae.load(weights)?;
    if let Some((flow, _)) = flow {
        vae.load_flow(&flow.flow)?;
    }
    Ok(vae)
}

/// The way from files to square pixels: by the flags, else as in the training of the model.
pub(super) fn reading(args: &TrainedArgs) -> Result<Reading> {
    let model = checkpoint::find(&args.model)?;
    // the file of a model alone has no state beside it
    let state = State::read(&model.with_file_name(checkpoint::STATE)).ok();
    let of_run = state.map(|state| state.config.reading()).unwrap_or_default();
    Ok(Reading { resize: args.resize.unwrap_or(of_run.resize), colour: args.colour.unwrap_or(of_run.colour) })
}

/// The pictures at `paths`. Reports those that cannot be read.
pub(super) fn gather(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let (inputs, skipped) = generate::gather(paths)?;
    name(&skipped);
    Ok(inputs)
}

/// Reports files that were left out, the first few by name.
pub(super) fn name(skipped: &[Skipped]) {
    skipped.iter().take(MAX_NAMED).for_each(|problem| output::remark(&format!("skipped {problem}")));
    if skipped.len() > MAX_NAMED {
        output::remark(&format!("and {} more", skipped.len() - MAX_NAMED));
    }
}

/// Latents of the pictures at `images`, with a progress bar. Reports those that cannot be read.
pub(super) fn encode(vae: &mut Vae, args: &TrainedArgs, images: &[PathBuf]) -> Result<Encoded> {
    let inputs = gather(images)?;
    let how = reading(args)?;
    let bar = Bar::new("encoding", false);
    let encoded = generate::encode(vae, &inputs, how, &mut |done| bar.set(done, inputs.len()));
    bar.clear();
    let (encoded, skipped) = encoded?;
    name(&skipped);
    Ok(encoded)
}

/// One picture at the model's size, and the mean of its latents.
pub(super) fn encode_picture(vae: &mut Vae, path: &Path, how: Reading) -> Result<(Vec<u8>, Vec<f32>)> {
    let rgb = data::load(path, vae.config().size, how).map_err(|reason| Error::data(path, reason))?;
    let latents = vae.encode_rgba(&data::rgba_of(&rgb), 1)?;
    Ok((rgb, latents.mu))
}

/// Pictures of latents, as RGB bytes.
pub(super) fn decode(vae: &mut Vae, z: &[f32]) -> Result<Vec<Vec<u8>>> {
    Ok(vae.decode_rgba(z)?.iter().map(|picture| data::rgb_of(picture)).collect())
}

/// The output file of a picture, if its format is known and it may be written.
pub(super) fn picture(
    writer: &Writer,
    named: Option<&Path>,
    default: impl FnOnce() -> PathBuf,
) -> Result<Destination> {
    if let Some(path) = named
        && let Err(error) = PictureFormat::of(path)
    {
        if path.is_dir() {
            let name = shown(path);
            return usage(format!("{name} is a folder: name a file in it, such as {name}/picture.png"));
        }
        return Err(error.into());
    }
    writer.picture(named, default)
}

/// The output of a command for pictures.
pub(super) enum Pictures {
    /// one sheet
    Sheet(Destination),
    /// one file per picture
    Separate(OutFolder),
}

impl Pictures {
    /// The sheet or, with `separate`, the folder for `files`, at `named` or at a default name of these `parts`.
    pub(super) fn new(
        writer: &Writer,
        named: Option<&Path>,
        parts: &[String],
        (separate, files): (bool, &[String]),
    ) -> Result<Self> {
        Ok(if separate {
            Self::Separate(writer.folder(named, &names::folder(parts), files)?)
        } else {
            Self::Sheet(picture(writer, named, || names::picture(parts))?)
        })
    }

    /// An error if it is a sheet, and too large for its file format.
    pub(super) fn check_size(&self, [columns, rows]: [u32; 2], size: u32) -> Result<()> {
        match self {
            Self::Sheet(sheet) => sheet_fits([columns, rows], size, sheet, "use --separate"),
            Self::Separate(_) => Ok(()),
        }
    }
}

/// The file of an animation beside a picture: the picture's name with .gif. With a default name, an existing one must have
/// the same settings.
pub(super) fn film_beside(writer: &Writer, picture: &Destination) -> Result<Destination> {
    let path = picture.path.with_extension("gif");
    let film = writer.picture(Some(&path), PathBuf::new)?;
    let other = |mark: Mark| mark.settings != picture.mark.settings;
    if !writer.force && picture.mark.settings.is_some() && Mark::read(&path).is_some_and(other) {
        return usage(format!(
            "{} was made with other settings: name a file with -o, or --force",
            shown(&path)
        ));
    }
    Ok(Destination { mark: picture.mark.clone(), ..film })
}

/// An error if a sheet of these columns and rows is too large for its file format.
pub(super) fn sheet_fits(
    [columns, rows]: [u32; 2],
    size: u32,
    sheet: &Destination,
    instead: &str,
) -> Result<()> {
    let side = u64::from(columns.max(rows)) * u64::from(size + data::GAP) + u64::from(data::GAP);
    let largest = PictureFormat::of(&sheet.path)?.max_side();
    if side > u64::from(largest) {
        return usage(format!(
            "{columns} x {rows} pictures of {size} px are too large for one file of {largest} px; {instead}"
        ));
    }
    Ok(())
}

/// Writes a sheet, and reports it. `size` is that of the pictures; `scale` enlarges them.
pub(super) fn save(
    pictures: &[Vec<u8>],
    [size, scale]: [u32; 2],
    columns: u32,
    sheet: &Destination,
) -> Result<()> {
    sheet.save(&scaled(data::grid(pictures, size, columns, data::GAP), scale))
}

/// `picture` with squares for pixels.
pub(super) fn scaled(picture: RgbImage, scale: u32) -> RgbImage {
    if scale == 1 {
        return picture;
    }
    let (width, height) = picture.dimensions();
    imageops::resize(&picture, width * scale, height * scale, imageops::FilterType::Nearest)
}

/// Writes an animation forwards and backwards. Each frame is a sheet of `columns`.
pub(super) fn save_film(
    frames: &[Vec<Vec<u8>>],
    [size, scale]: [u32; 2],
    columns: u32,
    film: &Destination,
) -> Result<()> {
    let sheet = |frame: &Vec<Vec<u8>>| scaled(data::grid(frame, size, columns, 0), scale);
    let sheets: Vec<_> = frames.iter().map(sheet).collect();
    film.write(&data::film(&generate::ping_pong(&sheets), FRAME_MS, &film.mark)?)?;
    output::say(&format!("wrote {}", shown(&film.path)));
    Ok(())
}
