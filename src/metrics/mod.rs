//! Evaluation metrics of a VAE: statistics of its pictures and of its latents, on the CPU.
//! Start here to choose a metric, or to add one.
//!
//! Knows nothing of the GPU, of the model or of files.
//!
//! | question | answer |
//! |---|---|
//! | are the reconstructions like their originals? | [`compare`], [`mse`], [`psnr`], [`ssim`], [`ms_ssim`] |
//! | are two sets of pictures alike? | [`sliced_wasserstein`], [`patch_distances`], [`noise_floor`], [`frechet_distance`] |
//! | are samples like pictures, of every kind, or copies? | [`precision_recall`], [`nearest`] |
//! | are they of the class that was asked for? | [`Classifier`] |
//! | do the latents separate the factors of the data? | [`Samples::mig`], [`Samples::sap`], [`Samples::dci`] |
//! | are the latents used, and like the prior? | [`active_units`], [`aggregate_mismatch`] |
//! | how likely is the data? | [`iwae_bound`] |
//!
//! A picture is RGB in 0..=1, `[size, size, 3]`, rows from the top. Latents and factors are row-major tables. Wrong
//! shapes are programming mistakes and panic; values without a defined metric (a NaN, a constant factor) are a
//! [`MetricError`]. Results do not depend on the number of threads: sums have a fixed order.

mod classifier;
mod dci;
mod factors;
mod frechet;
mod latents;
mod precision_recall;
mod pyramid;
mod ssim;
mod wasserstein;

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use classifier::Classifier;
pub use dci::Dci;
pub use factors::{BINS, Kind, Samples, Score};
pub use frechet::frechet_distance;
pub use latents::{ACTIVE, Mismatch, active_units, aggregate_mismatch, iwae_bound};
pub use precision_recall::{NEIGHBOURS, PrecisionRecall, nearest, nearest_other, precision_recall};
pub use pyramid::{PATCHES, laplacian_pyramid, level_sides, patch_distances};
pub use ssim::{Fidelity, SCALE_WEIGHTS, compare, ms_ssim, mse, psnr, scales, ssim};
pub use wasserstein::{PROJECTIONS, Slicing, noise_floor, sliced_wasserstein};

/// The reason why a metric is undefined for these values, worded for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricError(String);

impl From<MetricError> for String {
    fn from(refused: MetricError) -> Self {
        refused.0
    }
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MetricError {}

/// A metric, or the reason why it is undefined.
pub type Result<T> = std::result::Result<T, MetricError>;

fn refused<T>(reason: String) -> Result<T> {
    Err(MetricError(reason))
}

/// Purposes of random streams, so that they do not share numbers.
#[derive(Clone, Copy)]
enum Purpose {
    Direction = 101,
    Patch = 102,
    Halves = 103,
    Folds = 104,
}

/// A random stream: ChaCha8 keyed by the three arguments, so that item `number` has identical numbers on any thread.
fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&number.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A number in `0..len` by multiply-shift: the bias of 2^-64 * len is negligible.
fn below(stream: &mut ChaCha8Rng, len: usize) -> usize {
    ((len as u128 * u128::from(stream.next_u64())) >> 64) as usize
}

/// A permutation of `0..len`: Fisher-Yates from the top.
fn shuffled(len: usize, seed: u64, purpose: Purpose, number: u64) -> Vec<usize> {
    let mut stream = stream(seed, purpose, number);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, below(&mut stream, last + 1));
    }
    order
}

/// Number of rows of a table of `len` values with `columns` columns.
fn rows(function: &str, len: usize, columns: usize) -> usize {
    assert!(
        columns > 0 && len > 0 && len.is_multiple_of(columns),
        "{function}: {len} values are not rows of {columns}"
    );
    len / columns
}

/// Refuses a table with a row that is not finite; `which` names the table.
fn finite(function: &str, which: &str, table: &[f64], columns: usize) -> Result<()> {
    match table.iter().position(|value| !value.is_finite()) {
        Some(at) => refused(format!("{function}: row {} of the {which} is not finite", at / columns)),
        None => Ok(()),
    }
}

/// Mean and population variance, in two passes: one pass would suffer from cancellation if the mean is large.
pub(crate) fn moments(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}
