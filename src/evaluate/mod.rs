//! Evaluation of a model on held-out pictures: likelihood, fidelity, distances and likeness of samples, disentanglement.
//! Read this for what each measure is computed from.
//!
//! Likelihoods are in nats per picture, for the likelihood that the model was trained with. The reference's is the
//! binary cross-entropy of values in 0..=1, which is not normalized: it is comparable with losses, but not with
//! densities. A `gaussian` takes the width that fits all these pictures best.

mod agreement;
mod bounds;
mod features;
mod gallery;
mod html;
mod judge;
mod likeness;
mod report;
mod samples;
mod scores;

pub use agreement::Agreement;
use bounds::Bounds;
pub use gallery::{Gallery, Pair, SampleSet};
pub use html::{About, page};
pub use judge::{FEATURE_STEPS, FeatureSettings, Judge, Near, Neighbours, Pictures};
pub use likeness::{Features, Likeness};
pub use report::{Distances, Evaluation, Row};
use samples::{Comparison, Measured};
pub use samples::{distance_of_classes, shares};
pub use scores::{FactorScore, Scores};

use crate::data::{Factors, Reading, Skipped};
use crate::error::{Error, Result};
use crate::generate::{self, Chunk, Encoded, Fitted, Input, Prior};
use crate::metrics::{self, Fidelity};
use crate::model::Vae;

/// Seed of the built-in landscapes for evaluation: no training uses it unless told to.
pub const HELD_OUT: u64 = u64::from_be_bytes(*b"held out");
/// Settings of an evaluation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// the way from files to square pixels
    pub reading: Reading,
    /// draws per picture for the importance-weighted bound
    pub draws: u32,
    /// samples for the distances; `None` takes the number of pictures, at least 200
    pub samples: Option<u32>,
    /// seed of all draws
    pub seed: u64,
    /// whether to fill the gallery
    pub gallery: bool,
}

/// The priors that samples are drawn from, in addition to N(0, I).
#[derive(Default)]
pub struct Priors<'a> {
    /// fitted Gaussians
    pub fitted: Option<&'a Fitted>,
    /// if the model was built with a flow, and has loaded it: names of its classes
    pub flow: Option<&'a [String]>,
}

/// Result of an evaluation.
#[derive(Debug, Clone)]
pub struct Report {
    /// the measures
    pub evaluation: Evaluation,
    /// reason why pictures with known factors have no scores
    pub no_scores: Option<String>,
    /// reason why there is no likeness of features, although one was wanted
    pub no_features: Option<String>,
    /// gallery, if requested
    pub gallery: Option<Gallery>,
    /// pictures that could not be read
    pub skipped: Vec<Skipped>,
}

fn floats(rgb: &[u8]) -> Vec<f32> {
    rgb.iter().map(|&byte| f32::from(byte) / 255.0).collect()
}

/// Evaluates the model on `inputs`. Samples are drawn from N(0, I) and from `priors`; `features` trains a network that
/// their likeness to real pictures is measured with. `progress` receives the name of the activity, the amount done, and
/// the total, which is 0 if unknown.
///
/// # Errors
/// If the device is lost, no picture can be read, or a metric is undefined for these pictures.
pub fn evaluate(
    vae: &mut Vae,
    inputs: &[Input],
    priors: &Priors<'_>,
    features: Option<&FeatureSettings<'_>>,
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str, usize, usize),
) -> Result<Report> {
    let size = vae.config().size as usize;
    let mut seen = Seen::default();
    seen.encoded.dims = vae.config().latents() as usize;
    let skipped = generate::stream(vae, inputs, settings.reading, |vae, chunk| {
        seen.add(vae, chunk, settings)?;
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
    progress("scoring known factors", 0, 0);
    let (scores, no_scores) = match scores::scores(&encoded, &known, settings.seed).transpose() {
        Ok(scores) => (scores, None),
        Err(reason) => (None, Some(reason)),
    };
    let shown = (&encoded, originals.as_slice(), fidelity.as_slice());
    let pairs = settings.gallery.then(|| gallery::pairs(vae, shown)).transpose()?;
    let count = samples::count(settings, originals.len());
    let (judge, no_features) = match features {
        None => (None, None),
        Some(_) if (count as usize) < judge::LEAST => (None, Some(format!("{count} samples are too few"))),
        Some(FeatureSettings { device, steps, training }) => {
            let how = (size, settings.reading);
            let training =
                training.map_or_else(Pictures::default, |all| Pictures::read(all, how, &mut *progress));
            let real = Pictures { rgb: originals.clone(), classes: encoded.classes.clone() };
            match Judge::new((*device, *steps), size, (training, real), &mut *progress)? {
                Ok(judge) => (Some(judge), None),
                Err(reason) => (None, Some(reason)),
            }
        }
    };
    let classes = priors.flow.unwrap_or_default();
    let shares = shares(&encoded.classes, classes, count as usize);
    let shares = if shares.iter().sum::<u32>() > 0 { shares } else { Vec::new() };
    let mut comparison = Comparison { real: &originals, size, count, shares, settings, judge };
    let mut measure = |prior| comparison.measure(vae, prior, &mut *progress);
    let normal = measure(Prior::Normal)?;
    let fitted = priors.fitted.map(|fitted| measure(Prior::Fitted(fitted, None))).transpose()?;
    let flow = priors.flow.map(|_| measure(Prior::Flow(None))).transpose()?;
    let agreement = comparison.agreement(vae, priors, &mut *progress)?;
    let likeness = [Some(&normal), fitted.as_ref(), flow.as_ref()].map(|found| found?.likeness);
    let features = comparison.judge.as_ref().map(|judge| judge.report(count, likeness));
    let features = features.transpose()?.flatten();
    let (normal, shown) = (normal.distances, [normal.shown]);
    let distances = |found: Option<Measured>| found.map(|found| (found.distances, found.shown)).unzip();
    let ((fitted, second), (flow, third)) = (distances(fitted), distances(flow));
    let samples = shown.into_iter().chain([second.flatten(), third.flatten()]).flatten().collect();
    let gallery = pairs.map(|[best, worst]| Gallery { best, worst, samples });
    progress("comparing halves of the pictures", 0, 0);
    Ok(Report {
        no_scores,
        no_features,
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
            floor: comparison.floor()?,
            normal,
            fitted,
            flow,
            features,
            agreement,
        },
    })
}

/// Results of one pass over the pictures, rows in their order.
#[derive(Default)]
struct Seen {
    encoded: Encoded,
    fidelity: Vec<Fidelity>,
    bounds: Bounds,
    /// RGB8
    originals: Vec<Vec<u8>>,
    known: Vec<Option<Factors>>,
}

impl Seen {
    fn add(&mut self, vae: &mut Vae, chunk: Chunk<'_>, settings: &Settings) -> Result<()> {
        let size = vae.config().size as usize;
        self.encoded.add(vae, &chunk)?;
        self.known.extend(chunk.inputs.iter().map(|input| input.factors));
        let pictures: Vec<Vec<f32>> = chunk.rgb.iter().map(|rgb| floats(rgb)).collect();
        let first = self.originals.len();
        let rows = first * self.encoded.dims..(first + pictures.len()) * self.encoded.dims;
        let recon = vae.decode(&self.encoded.mu[rows])?;
        let recon: Vec<&[f32]> = recon.chunks(3 * size * size).collect();
        let real: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
        self.fidelity.extend(metrics::compare(&real, &recon, size).map_err(refused)?);
        self.bounds.add(vae, &self.encoded, &pictures, first, settings)?;
        self.originals.extend(chunk.rgb);
        Ok(())
    }
}

fn refused(reason: metrics::MetricError) -> Error {
    Error::Usage(format!("these pictures have no such measure: {}", String::from(reason)))
}
