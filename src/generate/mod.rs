//! Inference with a trained model: pictures to latents and back, and interpolations.
//! Pictures are streamed, so a folder may have any length. This module knows nothing of the terminal.

mod axes;
pub mod builtin;
pub mod flow_file;
mod interpolate;
mod latents_file;
mod prior;
pub mod prior_file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use axes::{Axes, Axis};
pub use flow_file::FittedFlow;
pub use interpolate::{Interpolation, interpolate, ping_pong};
pub use latents_file::{StoredLatents, check_extension, latents_file, read_latents, write_latents};
pub use prior::{Prior, class_label, label_of};
pub use prior_file::Fitted;

use crate::data::{self, Factors, Location, Reading, Skipped, synth};
use crate::error::{Error, Result};
use crate::model::Vae;

/// A picture to read: its location, name, class and factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// place of the picture
    pub location: Location,
    /// display name: the path relative to the given folder
    pub name: String,
    /// name of its class folder, or empty
    pub class: String,
    /// generative factors, if known
    pub factors: Option<Factors>,
}

/// Latents of pictures, rows in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// Z, the latent dimensions
    pub dims: usize,
    /// names of the pictures
    pub names: Vec<String>,
    /// class names, or empty texts
    pub classes: Vec<String>,
    /// means, `[N, Z]`
    pub mu: Vec<f32>,
    /// log variances, `[N, Z]`
    pub logvar: Vec<f32>,
}

impl Encoded {
    /// Adds the latents of `chunk`.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn add(&mut self, vae: &mut Vae, chunk: &Chunk<'_>) -> Result<()> {
        let rgba: Vec<u32> = chunk.rgb.iter().flat_map(|rgb| data::rgba_of(rgb)).collect();
        let latents = vae.encode_rgba(&rgba, chunk.rgb.len() as u32)?;
        self.mu.extend(latents.mu);
        self.logvar.extend(latents.logvar);
        self.names.extend(chunk.inputs.iter().map(|input| input.name.clone()));
        self.classes.extend(chunk.inputs.iter().map(|input| input.class.clone()));
        Ok(())
    }

    /// Refuses an empty result, with the first reason why a picture could not be read.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Usage`].
    pub fn any(&self, skipped: &[Skipped]) -> Result<()> {
        match (self.is_empty(), skipped.first()) {
            (true, Some(Skipped { path, reason })) => Err(Error::data(path, reason.clone())),
            (true, None) => Err(Error::Usage("there are no pictures to encode".into())),
            (false, _) => Ok(()),
        }
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// KL divergence of each dimension from the prior, averaged over the pictures, in nats.
    pub fn kl(&self) -> Vec<f64> {
        divergences(&self.mu, &self.logvar, self.dims)
    }
}

/// KL divergence of each dimension from N(0, 1), averaged over N pictures, in nats, for means and log variances, `[N,
/// dims]` each: `(mu^2 + exp(logvar) - 1 - logvar) / 2`.
pub fn divergences(mu: &[f32], logvar: &[f32], dims: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dims];
    for (at, (&mu, &logvar)) in mu.iter().zip(logvar).enumerate() {
        let (mu, logvar) = (f64::from(mu), f64::from(logvar));
        sums[at % dims] += 0.5 * (mu * mu + logvar.exp() - 1.0 - logvar);
    }
    let count = (mu.len() / dims).max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

/// Indices of the dimensions by descending divergence: those that the model uses most come first.
pub fn by_kl(kl: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..kl.len()).collect();
    order.sort_by(|&a, &b| kl[b].total_cmp(&kl[a]));
    order
}

/// Collects the pictures at `paths`: files, and all pictures in folders; also returns the unreadable files.
///
/// # Errors
/// If a path does not exist, or a folder holds no pictures.
pub fn gather(paths: &[PathBuf]) -> Result<(Vec<Input>, Vec<Skipped>)> {
    let (mut inputs, mut skipped) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            let found = data::scan(path, 0)?;
            let known = factors_of(path)?;
            let items = found.train.iter().chain(&found.validation).chain(&found.test);
            let mut of_folder: Vec<Input> = items
                .map(|item| Input {
                    name: data::relative(path, &item.path),
                    location: Location::File(item.path.clone()),
                    class: found.classes.get(item.label as usize).cloned().unwrap_or_default(),
                    factors: known.get(&item.path).copied(),
                })
                .collect();
            of_folder.sort_by_cached_key(|input| input.location.path());
            inputs.extend(of_folder);
            skipped.extend(found.left_out().cloned());
        } else {
            std::fs::metadata(path).map_err(Error::io("read", path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let location = Location::File(path.clone());
            inputs.push(Input { location, name, class: String::new(), factors: None });
        }
    }
    Ok((inputs, skipped))
}

/// The first `count` built-in landscapes of `seed`; they are drawn when they are read.
pub fn landscapes(seed: u64, count: u32) -> Vec<Input> {
    let input = |index| {
        let factors = synth::factors(seed, index);
        Input {
            location: Location::Synthetic { seed, index },
            name: format!("landscape {index}"),
            class: factors.biome.to_string(),
            factors: Some(factors),
        }
    };
    (0..u64::from(count)).map(input).collect()
}

/// The factors of the landscapes in `folder`, which may be a folder written by `wgvae data synth`, or a split or class
/// of it.
fn factors_of(folder: &Path) -> Result<HashMap<PathBuf, Factors>> {
    // a relative path does not show all of its ancestors
    let whole = folder.canonicalize().map_err(Error::io("read", folder))?;
    for (depth, above) in whole.ancestors().take(3).enumerate() {
        let Some(known) = data::read_factors(above)? else { continue };
        let inner: PathBuf = whole.components().skip(whole.components().count() - depth).collect();
        let below = |name: String| Some(folder.join(Path::new(&name).strip_prefix(&inner).ok()?));
        return Ok(known.into_iter().filter_map(|(name, factors)| Some((below(name)?, factors))).collect());
    }
    Ok(HashMap::new())
}

/// Pictures that were read, 8-bit RGB `[S, S, 3]` each.
pub struct Chunk<'a> {
    /// indices among all requested pictures
    pub numbers: Vec<usize>,
    /// inputs they were read from
    pub inputs: Vec<&'a Input>,
    /// pixels
    pub rgb: Vec<Vec<u8>>,
}

/// Reads `inputs` at the model's size, one micro-batch at a time, and passes each chunk to `f`; returns those that
/// could not be read.
///
/// # Errors
/// Errors of `f`.
pub fn stream(
    vae: &mut Vae,
    inputs: &[Input],
    how: Reading,
    mut f: impl FnMut(&mut Vae, Chunk<'_>) -> Result<()>,
) -> Result<Vec<Skipped>> {
    let size = vae.config().size;
    let mut skipped = Vec::new();
    let micro = vae.micro_batch() as usize;
    for (first, some) in inputs.chunks(micro).enumerate().map(|(at, some)| (at * micro, some)) {
        let read: Vec<_> = some.par_iter().map(|input| input.location.load(size, how)).collect();
        let mut chunk = Chunk { numbers: Vec::new(), inputs: Vec::new(), rgb: Vec::new() };
        for (number, (input, read)) in (first..).zip(some.iter().zip(read)) {
            match read {
                Ok(rgb) => {
                    chunk.numbers.push(number);
                    chunk.inputs.push(input);
                    chunk.rgb.push(rgb);
                }
                Err(reason) => skipped.push(Skipped { path: input.location.path(), reason }),
            }
        }
        if !chunk.rgb.is_empty() {
            f(vae, chunk)?;
        }
    }
    Ok(skipped)
}

/// Encodes `inputs` mirrored left to right, as [`encode`] does.
///
/// # Errors
/// As [`encode`].
pub fn encode_mirrored(
    vae: &mut Vae,
    inputs: &[Input],
    how: Reading,
    progress: &mut dyn FnMut(usize),
) -> Result<(Encoded, Vec<Skipped>)> {
    let row = 3 * vae.config().size as usize;
    encode_changed(vae, inputs, how, progress, &|rgb| data::mirror(rgb, row))
}

/// Encodes `inputs`; `progress` receives the number done.
///
/// # Errors
/// If the device is lost, or no picture can be read.
pub fn encode(
    vae: &mut Vae,
    inputs: &[Input],
    how: Reading,
    progress: &mut dyn FnMut(usize),
) -> Result<(Encoded, Vec<Skipped>)> {
    encode_changed(vae, inputs, how, progress, &|_| ())
}

/// Encodes `inputs` after `change` of their RGB bytes.
fn encode_changed(
    vae: &mut Vae,
    inputs: &[Input],
    how: Reading,
    progress: &mut dyn FnMut(usize),
    change: &dyn Fn(&mut [u8]),
) -> Result<(Encoded, Vec<Skipped>)> {
    let mut all = Encoded { dims: vae.config().latents() as usize, ..Encoded::default() };
    let skipped = stream(vae, inputs, how, |vae, mut chunk| {
        chunk.rgb.iter_mut().for_each(|rgb| change(rgb));
        all.add(vae, &chunk)?;
        progress(all.len());
        Ok(())
    })?;
    all.any(&skipped)?;
    Ok((all, skipped))
}
