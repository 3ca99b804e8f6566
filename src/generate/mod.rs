//! What a trained model is for: pictures to latents and back, and ways between pictures.
//!
//! Knows nothing of the terminal; pictures are streamed, so that a folder may be of any length.

mod interpolate;
mod latents_file;
pub mod prior_file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use interpolate::{Interpolation, interpolate, ping_pong};
pub use latents_file::{known, latents_file, read_latents, write_latents};
pub use prior_file::Fitted;

use crate::data::{self, Factors, Resize, Skipped, synth};
use crate::error::{Error, Result};
use crate::model::Vae;

/// A picture's file and class.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// the file, or the name of a built-in landscape
    pub path: PathBuf,
    /// what it is called in lists: the path from the folder that was given
    pub name: String,
    /// its class folder, or empty
    pub class: String,
    /// what it was made from, where that is known
    pub factors: Option<Factors>,
    /// seed and number of the built-in landscape that it is, if it is no file
    pub drawn: Option<(u64, u64)>,
}

/// The latents of pictures, rows in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// Z
    pub dims: usize,
    /// names of the pictures
    pub names: Vec<String>,
    /// their classes, or empty texts
    pub classes: Vec<String>,
    /// `[N, Z]`, the means
    pub mu: Vec<f32>,
    /// `[N, Z]`, the logarithms of the variances
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

    /// An error if there are none, with the first reason of those that could not be read.
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

    /// Pictures.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Mean over the pictures of each dimension's divergence from the prior, in nats.
    pub fn kl(&self) -> Vec<f64> {
        divergences(&self.mu, &self.logvar, self.dims)
    }
}

/// Mean over N pictures of each dimension's divergence from N(0, 1), in nats, of means and logarithms of variances,
/// `[N, dims]` each: `(mu^2 + exp(logvar) - 1 - logvar) / 2`.
pub fn divergences(mu: &[f32], logvar: &[f32], dims: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dims];
    for (at, (&mu, &logvar)) in mu.iter().zip(logvar).enumerate() {
        let (mu, logvar) = (f64::from(mu), f64::from(logvar));
        sums[at % dims] += 0.5 * (mu * mu + logvar.exp() - 1.0 - logvar);
    }
    let count = (mu.len() / dims).max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

/// Dimensions by falling divergence: those that the model uses most come first.
pub fn by_kl(kl: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..kl.len()).collect();
    order.sort_by(|&a, &b| kl[b].total_cmp(&kl[a]));
    order
}

/// The pictures that `paths` mean: files as they are, folders with all that lies in them, and what cannot be read.
///
/// # Errors
/// If a path is not there, or a folder holds no pictures.
pub fn gather(paths: &[PathBuf]) -> Result<(Vec<Input>, Vec<Skipped>)> {
    let (mut inputs, mut skipped) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            let found = data::scan(path, 0)?;
            let known = factors_of(path)?;
            let items = found.train.iter().chain(&found.validation).chain(&found.test);
            let mut of_folder: Vec<Input> = items
                .map(|item| Input {
                    name: relative(path, &item.path),
                    path: item.path.clone(),
                    class: found.classes.get(item.label as usize).cloned().unwrap_or_default(),
                    factors: known.get(&item.path).copied(),
                    drawn: None,
                })
                .collect();
            of_folder.sort_by(|a, b| a.path.cmp(&b.path));
            inputs.extend(of_folder);
            skipped.extend(found.left_out().cloned());
        } else {
            std::fs::metadata(path).map_err(Error::io("read", path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            inputs.push(Input { path: path.clone(), name, class: String::new(), factors: None, drawn: None });
        }
    }
    Ok((inputs, skipped))
}

/// The first `count` built-in landscapes of `seed`, which are drawn when they are read.
pub fn landscapes(seed: u64, count: u32) -> Vec<Input> {
    let input = |index| {
        let factors = synth::factors(seed, index);
        let name = format!("landscape {index}");
        let class = factors.biome.to_string();
        Input { path: name.clone().into(), name, class, factors: Some(factors), drawn: Some((seed, index)) }
    };
    (0..u64::from(count)).map(input).collect()
}

/// The factors of the landscapes in `folder`, which may be what `wgvae data synth` wrote, a split of it or a class.
fn factors_of(folder: &Path) -> Result<HashMap<PathBuf, Factors>> {
    // above a relative path there is more than the path says
    let whole = folder.canonicalize().map_err(Error::io("read", folder))?;
    for (depth, above) in whole.ancestors().take(3).enumerate() {
        let Some(known) = data::read_factors(above)? else { continue };
        let inner: PathBuf = whole.components().skip(whole.components().count() - depth).collect();
        let below = |name: String| Some(folder.join(Path::new(&name).strip_prefix(&inner).ok()?));
        return Ok(known.into_iter().filter_map(|(name, factors)| Some((below(name)?, factors))).collect());
    }
    Ok(HashMap::new())
}

fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Pictures that were read, as 8-bit RGB `[S, S, 3]` each.
pub struct Chunk<'a> {
    /// their places among all that were to be read
    pub numbers: Vec<usize>,
    /// where they come from
    pub inputs: Vec<&'a Input>,
    /// their pixels
    pub rgb: Vec<Vec<u8>>,
}

/// Reads `inputs` at the model's size, as many at a time as it computes at once, and hands each chunk to `f`;
/// returns those that could not be read.
///
/// # Errors
/// Those of `f`.
pub fn stream(
    vae: &mut Vae,
    inputs: &[Input],
    resize: Resize,
    mut f: impl FnMut(&mut Vae, Chunk<'_>) -> Result<()>,
) -> Result<Vec<Skipped>> {
    let size = vae.config().size;
    let mut skipped = Vec::new();
    let micro = vae.micro_batch() as usize;
    for (first, some) in inputs.chunks(micro).enumerate().map(|(at, some)| (at * micro, some)) {
        let read: Vec<_> = some.par_iter().map(|input| read(input, size, resize)).collect();
        let mut chunk = Chunk { numbers: Vec::new(), inputs: Vec::new(), rgb: Vec::new() };
        for (number, (input, read)) in (first..).zip(some.iter().zip(read)) {
            match read {
                Ok(rgb) => {
                    chunk.numbers.push(number);
                    chunk.inputs.push(input);
                    chunk.rgb.push(rgb);
                }
                Err(reason) => skipped.push(Skipped { path: input.path.clone(), reason }),
            }
        }
        if !chunk.rgb.is_empty() {
            f(vae, chunk)?;
        }
    }
    Ok(skipped)
}

fn read(input: &Input, size: u32, resize: Resize) -> std::result::Result<Vec<u8>, String> {
    match input.drawn {
        Some((seed, index)) => Ok(data::landscape(seed, index, size).0),
        None => data::load(&input.path, size, resize),
    }
}

/// Latents of `inputs`; `progress` hears how many are done.
///
/// # Errors
/// If the device is lost, or not one picture can be read.
pub fn encode(
    vae: &mut Vae,
    inputs: &[Input],
    resize: Resize,
    progress: &mut dyn FnMut(usize),
) -> Result<(Encoded, Vec<Skipped>)> {
    let mut all = Encoded { dims: vae.config().latent as usize, ..Encoded::default() };
    let skipped = stream(vae, inputs, resize, |vae, chunk| {
        all.add(vae, &chunk)?;
        progress(all.len());
        Ok(())
    })?;
    all.any(&skipped)?;
    Ok((all, skipped))
}
