//! The feature network of an evaluation: a small autoencoder, trained on the spot, whose latents are features of pictures.
//! Read this to see what the Frechet distance, precision and recall are measured on.
//!
//! It is no network of general use: its features compare sets of pictures within one evaluation, and nothing else. Its
//! inputs are 16 px wide: whole pictures made small, and squares of the details of pictures in their full size. Details are
//! what a picture loses if it is made four times smaller. The features of a picture are the latents of the small picture,
//! which say what is where, and the deviation of each latent over the squares, which says how much detail there is.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::config::{self, Likelihood, LossKind, ModelConfig, Sigma};
use crate::data::{self, Resize};
use crate::error::{Error, Result};
use crate::metrics;
use crate::model::{Device, Input, ModelOptions, StepSettings, Vae};

/// Edge of its pictures in pixels.
const EDGE: u32 = 16;
/// The network: channels after its first convolution, latents.
const NETWORK: ModelConfig = ModelConfig::reference(EDGE, 16, 24);
/// Features of a picture: the latents of the small picture, their deviations over the squares.
pub(super) const FEATURES: usize = 2 * NETWORK.latent as usize;
/// Likelihood of its pixels.
const LIKELIHOOD: Likelihood = Likelihood { kind: LossKind::Mse, sigma: Sigma::Fixed(0.1) };
/// Inputs per step, half of them small pictures.
const BATCH: u32 = 32;
/// Reduction that details do not survive.
const REDUCTION: u32 = 4;
/// Deviation that details are amplified to, of 255: natural details are faint, and the network would not learn them.
const DETAIL: f64 = 50.0;
/// Largest gain of details, for pictures that have none.
const MAX_GAIN: f64 = 100.0;
/// Pictures whose details the gain is computed from, at most.
const GAUGED: usize = 256;
/// Squares of a picture, along each edge.
const SQUARES: usize = 4;
/// Learning rate after the warm-up.
const RATE: f64 = 2e-3;
/// Steps of warm-up.
const WARMUP: u64 = 50;
/// Seed of initial values, order and places of squares: not that of the samples, so that `--seed` does not change the network.
const SEED: u64 = u64::from_be_bytes(*b"features");

/// A trained feature network.
pub(super) struct FeatureNet {
    vae: Vae,
    /// edge of the pictures in pixels
    size: usize,
    /// factor of the details
    gain: f64,
}

impl FeatureNet {
    /// Trains the network on pictures, RGB8 `[size, size, 3]`: squared errors without a KL term, Adam with a warm-up and a
    /// cosine to zero.
    ///
    /// # Errors
    /// If the device is lost, or the loss is not finite.
    pub(super) fn train(
        device: Device<'_>,
        (size, pictures): (usize, &[Vec<u8>]),
        steps: u32,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let build = ModelOptions { likelihood: LIKELIHOOD, ..ModelOptions::training(NETWORK, BATCH) };
        let mut net = Self { vae: Vae::new(device, build, SEED)?, size, gain: 1.0 };
        net.gain = net.gain(pictures);
        let steps = u64::from(steps);
        let mut last = f64::NAN;
        for step in 0..steps {
            let rgba = net.batch(pictures, step);
            let warm = config::warmup(step as f64, WARMUP.min(steps) as f64);
            let lr = RATE * warm * config::cosine(step as f64 / steps as f64);
            let settings = StepSettings { seed: SEED, step, lr, ..StepSettings::default() };
            net.vae.train_step(Input::Rgba(&rgba), BATCH, &settings)?;
            for (step, outcome) in net.vae.losses(step + 1 == steps)? {
                last = outcome.loss.nll;
                progress(step as usize + 1, steps as usize);
            }
        }
        if last.is_finite() {
            Ok(net)
        } else {
            Err(Error::Diverged(
                "the loss of the feature network is not finite; --no-features leaves it out".into(),
            ))
        }
    }

    /// The inputs of a step, small pictures and squares of details alternately.
    fn batch(&self, pictures: &[Vec<u8>], step: u64) -> Vec<u32> {
        let first = step * u64::from(BATCH);
        let rows = data::endless_order(SEED, 0, pictures.len(), first..first + u64::from(BATCH));
        let mut stream = ChaCha8Rng::seed_from_u64(SEED);
        stream.set_stream(step);
        let places = (self.size - EDGE as usize + 1) as u64;
        let mut place = || (stream.next_u64() % places) as usize;
        let one = |(at, row): (usize, u32)| {
            let picture = &pictures[row as usize];
            data::rgba_of(&if at % 2 == 0 {
                self.small(picture)
            } else {
                self.square(&self.details(picture), [place(), place()])
            })
        };
        rows.into_iter().enumerate().flat_map(one).collect()
    }

    /// A picture minus itself made smaller and larger again.
    fn differences(&self, picture: &[u8]) -> Vec<f64> {
        let (size, less) = (self.size as u32, self.size as u32 / REDUCTION);
        let small = data::resize_rgb(picture, size, size, less, Resize::Stretch);
        let smooth = data::resize_rgb(&small, less, less, size, Resize::Stretch);
        picture.iter().zip(&smooth).map(|(&value, &smooth)| f64::from(value) - f64::from(smooth)).collect()
    }

    /// The gain of details: their deviation becomes [`DETAIL`].
    fn gain(&self, pictures: &[Vec<u8>]) -> f64 {
        let gauged = &pictures[..pictures.len().min(GAUGED)];
        let mean = |picture: &Vec<u8>| {
            let differences = self.differences(picture);
            differences.iter().map(|value| value * value).sum::<f64>() / differences.len() as f64
        };
        let variance = gauged.iter().map(mean).sum::<f64>() / gauged.len() as f64;
        (DETAIL / variance.sqrt()).min(MAX_GAIN)
    }

    /// The details of a picture around mid-grey.
    fn details(&self, picture: &[u8]) -> Vec<u8> {
        let amplified = |value: f64| (128.0 + self.gain * value).round().clamp(0.0, 255.0) as u8;
        self.differences(picture).into_iter().map(amplified).collect()
    }

    /// The whole picture in the network's size.
    fn small(&self, picture: &[u8]) -> Vec<u8> {
        data::resize_rgb(picture, self.size as u32, self.size as u32, EDGE, Resize::Stretch)
    }

    /// The square whose upper left corner is at this row and column.
    fn square(&self, picture: &[u8], [row, column]: [usize; 2]) -> Vec<u8> {
        let edge = EDGE as usize;
        let line = |y: usize| {
            let first = 3 * ((row + y) * self.size + column);
            &picture[first..first + 3 * edge]
        };
        (0..edge).flat_map(line).copied().collect()
    }

    /// The features of pictures, RGB8 `[size, size, 3]`: a table with a row of [`FEATURES`] numbers for each.
    ///
    /// # Errors
    /// If the device is lost.
    pub(super) fn features(&mut self, pictures: &[Vec<u8>]) -> Result<Vec<f64>> {
        let place = |at: usize| at * (self.size - EDGE as usize) / (SQUARES - 1);
        let places: Vec<[usize; 2]> =
            (0..SQUARES * SQUARES).map(|at| [place(at / SQUARES), place(at % SQUARES)]).collect();
        let latents = NETWORK.latent as usize;
        let mut table = Vec::with_capacity(pictures.len() * FEATURES);
        // several pictures at once, so that most batches are full
        for some in pictures.chunks(BATCH as usize) {
            let parts = |picture: &Vec<u8>| {
                let details = self.details(picture);
                let squares = places.iter().map(|&place| self.square(&details, place));
                std::iter::once(self.small(picture)).chain(squares).collect::<Vec<_>>()
            };
            let parts: Vec<Vec<u8>> = some.iter().flat_map(parts).collect();
            let rgba: Vec<u32> = parts.iter().flat_map(|part| data::rgba_of(part)).collect();
            let mu = self.vae.encode_rgba(&rgba, parts.len() as u32)?.mu;
            for of_picture in mu.chunks(parts.len() / some.len() * latents) {
                let (whole, squares) = of_picture.split_at(latents);
                table.extend(whole.iter().map(|&mu| f64::from(mu)));
                table.extend((0..latents).map(|latent| deviation(squares, latent)));
            }
        }
        Ok(table)
    }
}

/// The deviation of column `latent` of a table of squares (divided by their number).
fn deviation(squares: &[f32], latent: usize) -> f64 {
    let column = squares[latent..].iter().step_by(NETWORK.latent as usize);
    metrics::moments(column.map(|&mu| f64::from(mu))).1.sqrt()
}

/// The sizes of the network, for the reports.
pub(super) fn network() -> String {
    NETWORK.to_string()
}
