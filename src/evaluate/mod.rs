//! Evaluation of a model on held-out pictures: likelihood, fidelity, distances, disentanglement.
//! Read this for what each measure is computed from.
//!
//! Likelihoods are in nats per picture, for the likelihood that the model was trained with. The reference's is the
//! binary cross-entropy of values in 0..=1, which is not normalized: it is comparable with losses, but not with
//! densities. A `gaussian` takes the width that fits all these pictures best.

mod bounds;
mod gallery;
mod html;
mod report;
mod scores;

use bounds::Bounds;
pub use gallery::{Gallery, Pair};
pub use html::{About, page};
pub use report::{Distances, Evaluation, Row};
pub use scores::{FactorScore, Scores};

use crate::data::{self, Factors, Resize, Skipped};
use crate::error::{Error, Result};
use crate::generate::{self, Chunk, Encoded, Fitted, Input};
use crate::metrics::{self, Fidelity, Slicing};
use crate::model::Vae;

/// Seed of the built-in landscapes for evaluation: no training uses it unless told to.
pub const HELD_OUT: u64 = u64::from_be_bytes(*b"held out");
/// Patches per picture for the pyramid distance.
const PATCHES: usize = 64;
/// Number of random halvings of the real pictures for the noise floor.
const SPLITS: usize = 4;

/// Settings of an evaluation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// resize mode
    pub resize: Resize,
    /// draws per picture for the importance-weighted bound
    pub draws: u32,
    /// samples for the distances; `None` takes the number of pictures, at least 200
    pub samples: Option<u32>,
    /// seed of all draws
    pub seed: u64,
    /// whether to fill the gallery
    pub gallery: bool,
}

/// Result of an evaluation.
#[derive(Debug, Clone)]
pub struct Report {
    /// the measures
    pub evaluation: Evaluation,
    /// reason why pictures with known factors have no scores
    pub no_scores: Option<String>,
    /// gallery, if requested
    pub gallery: Option<Gallery>,
    /// pictures that could not be read
    pub skipped: Vec<Skipped>,
}

fn floats(rgb: &[u8]) -> Vec<f32> {
    rgb.iter().map(|&byte| f32::from(byte) / 255.0).collect()
}

/// Evaluates the model on `inputs`; a `fitted` prior is measured in addition to N(0, I). `progress` receives the name
/// of the activity, the amount done, and the total, which is 0 if unknown.
///
/// # Errors
/// If the device is lost, no picture can be read, or a metric is undefined for these pictures.
pub fn evaluate(
    vae: &mut Vae,
    inputs: &[Input],
    fitted: Option<&Fitted>,
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<Report> {
    let size = vae.config().size as usize;
    let mut seen = Seen::default();
    seen.encoded.dims = vae.config().latents() as usize;
    let skipped = generate::stream(vae, inputs, settings.resize, |vae, chunk| {
        seen.add(vae, &chunk, settings)?;
        progress("reconstructing", seen.originals.len(), inputs.len());
        Ok(())
    })?;
    let Seen { encoded, fidelity, bounds, originals, known } = seen;
    encoded.any(&skipped)?;
    let (nll, iwae) = bounds.finish(vae.likelihood(), (size * size) as f64)?;
    let kl = encoded.kl();
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let variances: Vec<f64> = encoded.logvar.iter().map(|&v| f64::from(v).exp()).collect();
    let mean = |of: fn(&Fidelity) -> f64| fidelity.iter().map(of).sum::<f64>() / fidelity.len() as f64;
    let total = kl.iter().sum::<f64>();
    let density = vae.likelihood().kind.is_density();
    let bits = density.then(|| (nll + total) / (3 * size * size) as f64 / std::f64::consts::LN_2);
    let (scores, no_scores) = match scores::scores(&encoded, &known, settings.seed).transpose() {
        Ok(scores) => (scores, None),
        Err(reason) => (None, Some(reason)),
    };
    let shown = (&encoded, originals.as_slice(), fidelity.as_slice());
    let gallery =
        settings.gallery.then(|| gallery::gallery(vae, shown, fitted, settings.seed)).transpose()?;
    let mut distance = |prior| distances(vae, prior, &originals, settings, &mut *progress);
    let normal = distance(None)?;
    let fitted = fitted.map(|fitted| distance(Some(fitted))).transpose()?;
    progress("comparing halves of the pictures", 0, 0);
    Ok(Report {
        no_scores,
        gallery,
        skipped,
        evaluation: Evaluation {
            scores,
            pictures: originals.len(),
            loss: vae.likelihood().kind.name(),
            nll,
            kl: total,
            elbo: -nll - total,
            bits_per_value: bits,
            bits_per_dim: bits.map(|bits| bits + 8.0),
            iwae,
            draws: settings.draws,
            mse: mean(|f| f.mse),
            psnr: mean(|f| f.psnr),
            ssim: mean(|f| f.ssim),
            ms_ssim: mean(|f| f.ms_ssim),
            active_units: metrics::active_units(&wide(&encoded.mu), encoded.dims).map_err(refused)?,
            dims: encoded.dims,
            mismatch: metrics::aggregate_mismatch(&wide(&encoded.mu), &variances, encoded.dims)
                .map_err(refused)?
                .kl,
            kl_per_dimension: kl,
            floor: floor(&originals, size, settings)?,
            normal,
            fitted,
        },
    })
}

/// Results of one pass over the pictures, rows in their order.
#[derive(Default)]
struct Seen {
    encoded: Encoded,
    fidelity: Vec<Fidelity>,
    bounds: Bounds,
    originals: Vec<Vec<f32>>,
    known: Vec<Option<Factors>>,
}

impl Seen {
    fn add(&mut self, vae: &mut Vae, chunk: &Chunk<'_>, settings: &Settings) -> Result<()> {
        let size = vae.config().size as usize;
        self.encoded.add(vae, chunk)?;
        self.known.extend(chunk.inputs.iter().map(|input| input.factors));
        let pictures: Vec<Vec<f32>> = chunk.rgb.iter().map(|rgb| floats(rgb)).collect();
        let first = self.originals.len();
        let rows = first * self.encoded.dims..(first + pictures.len()) * self.encoded.dims;
        let recon = vae.decode(&self.encoded.mu[rows])?;
        let recon: Vec<&[f32]> = recon.chunks(3 * size * size).collect();
        let real: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
        self.fidelity.extend(metrics::compare(&real, &recon, size).map_err(refused)?);
        self.bounds.add(vae, &self.encoded, &pictures, first, settings)?;
        self.originals.extend(pictures);
        Ok(())
    }
}

fn refused(reason: metrics::MetricError) -> Error {
    Error::Usage(format!("these pictures have no such measure: {}", String::from(reason)))
}

/// Both distances between two sets of pictures: of whole pictures, and of pyramid patches averaged over the levels.
fn between(a: &[&[f32]], b: &[&[f32]], size: usize, seed: u64) -> metrics::Result<Vec<f64>> {
    let slicing = Slicing { seed, ..Slicing::default() };
    let levels = metrics::patch_distances(a, b, size, PATCHES, slicing)?;
    let pyramid = levels.iter().sum::<f64>() / levels.len() as f64;
    Ok(vec![metrics::sliced_wasserstein(a, b, slicing)?, pyramid])
}

fn distances(
    vae: &mut Vae,
    prior: Option<&Fitted>,
    real: &[Vec<f32>],
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<Distances> {
    let count = settings.samples.unwrap_or_else(|| (real.len() as u32).max(200));
    let mut samples: Vec<Vec<f32>> = Vec::new();
    for first in (0..count).step_by(vae.micro_batch() as usize) {
        progress("sampling", first as usize, count as usize);
        let range = first..count.min(first.saturating_add(vae.micro_batch()));
        let pictures = match prior {
            None => vae.sample_range(range, settings.seed, 1.0)?,
            Some(prior) => vae.decode_rgba(&prior.draw_range(range, settings.seed, 1.0))?,
        };
        samples.extend(pictures.iter().map(|picture| floats(&data::rgb_of(picture))));
    }
    progress("comparing samples with the pictures", 0, 0);
    let real: Vec<&[f32]> = real.iter().map(Vec::as_slice).collect();
    let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    let size = vae.config().size as usize;
    let both = between(&real, &samples, size, settings.seed).map_err(refused)?;
    Ok(Distances { pixels: both[0], pyramid: both[1] })
}

/// The noise floor: distances between halves of the real pictures. Smaller distances are not significant.
fn floor(real: &[Vec<f32>], size: usize, settings: &Settings) -> Result<Option<Distances>> {
    if real.len() < 4 {
        return Ok(None);
    }
    let real: Vec<&[f32]> = real.iter().map(Vec::as_slice).collect();
    let distance = |a: &[&[f32]], b: &[&[f32]]| between(a, b, size, settings.seed);
    let both = metrics::noise_floor(&real, SPLITS, settings.seed, distance).map_err(refused)?;
    Ok(Some(Distances { pixels: both[0], pyramid: both[1] }))
}
