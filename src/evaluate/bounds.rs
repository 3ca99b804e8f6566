//! Log-likelihood and importance-weighted bound, from draws of each picture's latents.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Settings, refused};
use crate::config::{Likelihood, Sigma};
use crate::error::Result;
use crate::generate::Encoded;
use crate::metrics;
use crate::model::Vae;
use crate::ops::likelihood::sigmoid;
use crate::ops::normal::normal;
use crate::ops::squared_error::ErrorSums;

/// A draw from q(z|x), decoded.
struct Draw {
    /// `ln p(z) - ln q(z|x)`
    log_ratio: f64,
    /// `-ln p(x|z)`, unless the width of the likelihood depends on all pictures
    nats: f64,
    /// squared errors of each channel
    errors: [f64; 3],
}

/// The draws of every picture.
#[derive(Default)]
pub(super) struct Bounds {
    pictures: Vec<Vec<Draw>>,
}

impl Bounds {
    /// Adds each picture's draws, decoded together.
    pub(super) fn add(
        &mut self,
        vae: &mut Vae,
        encoded: &Encoded,
        pictures: &[Vec<f32>],
        first: usize,
        settings: &Settings,
    ) -> Result<()> {
        let (dims, draws) = (encoded.dims, settings.draws as usize);
        let likelihood = vae.pixel_likelihood()?;
        for (at, picture) in pictures.iter().enumerate() {
            let row = (first + at) * dims..(first + at + 1) * dims;
            let mut stream = ChaCha8Rng::seed_from_u64(settings.seed);
            stream.set_stream((first + at) as u64);
            let (mut z, mut log_ratios) = (Vec::with_capacity(draws * dims), vec![0.0; draws]);
            for log_ratio in &mut log_ratios {
                for (&mu, &logvar) in encoded.mu[row.clone()].iter().zip(&encoded.logvar[row.clone()]) {
                    let (mu, logvar) = (f64::from(mu), f64::from(logvar));
                    let eps = normal(&mut stream);
                    let drawn = mu + eps * (0.5 * logvar).exp();
                    // the two constants 2 pi cancel
                    *log_ratio += 0.5 * (eps * eps + logvar - drawn * drawn);
                    z.push(drawn as f32);
                }
            }
            let logits = vae.logits(&z)?;
            let decoded = log_ratios.into_iter().zip(logits.chunks(picture.len()));
            self.pictures.push(
                decoded
                    .map(|(log_ratio, logits)| Draw::new(log_ratio, likelihood, logits, picture))
                    .collect(),
            );
        }
        Ok(())
    }

    /// The means over the pictures of the negative log-likelihood and of the importance-weighted bound. `values` is the
    /// number of pixels of a picture.
    pub(super) fn finish(mut self, likelihood: Likelihood, values: f64) -> Result<(f64, f64)> {
        if likelihood.fits_sigma() {
            let per_channel = likelihood.sigma == Sigma::Channel;
            let sums_of = |draw: &Draw| ErrorSums { sums: draw.errors, values, per_channel };
            let mut all = ErrorSums { sums: [0.0; 3], values: 0.0, per_channel };
            self.pictures.iter().flatten().for_each(|draw| all.add(&sums_of(draw)));
            let variances = all.variances();
            for draw in self.pictures.iter_mut().flatten() {
                draw.nats = sums_of(draw).nats_under(variances);
            }
        }
        let (mut nll, mut iwae) = (0.0, 0.0);
        for draws in &self.pictures {
            nll += draws.iter().map(|draw| draw.nats).sum::<f64>() / draws.len() as f64;
            let weights: Vec<f64> = draws.iter().map(|draw| draw.log_ratio - draw.nats).collect();
            iwae += metrics::iwae_bound(&weights).map_err(refused)?;
        }
        let count = self.pictures.len().max(1) as f64;
        Ok((nll / count, iwae / count))
    }
}

impl Draw {
    fn new(log_ratio: f64, likelihood: Likelihood, logits: &[f32], picture: &[f32]) -> Self {
        let pixels = logits.iter().zip(picture).map(|(&l, &x)| (f64::from(l), f64::from(x)));
        let mut errors = [0.0; 3];
        let nats = if likelihood.fits_sigma() {
            pixels.enumerate().for_each(|(i, (l, x))| errors[i % 3] += (sigmoid(l) - x).powi(2));
            f64::NAN
        } else {
            pixels.map(|(l, x)| likelihood.nats(l, x)).sum()
        };
        Self { log_ratio, nats, errors }
    }
}
