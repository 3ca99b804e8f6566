//! What a training minimises: the likelihood of pixels, and what the latents are held to.

use serde::{Deserialize, Serialize};

use super::names::named;
use crate::error::{Error, Result};

/// How likely a pixel is, given what the decoder says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// binary cross-entropy, the reference's: no density of values between 0 and 1, but always positive
    #[default]
    Bce,
    /// a Gaussian of fixed width around the picture: squared errors
    Mse,
    /// a Laplace distribution of fixed width: absolute errors, sharper and less moved by outliers
    L1,
    /// the cross-entropy made a density of values between 0 and 1
    ContinuousBernoulli,
}

named! { LossKind: Bce "bce", Mse "mse", L1 "l1", ContinuousBernoulli "continuous-bernoulli" }

impl LossKind {
    /// Whether it has a width, [`Likelihood::sigma`].
    pub fn has_width(self) -> bool {
        matches!(self, Self::Mse | Self::L1)
    }
}

/// A likelihood of pixels, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// its form
    pub kind: LossKind,
    /// width of a Gaussian (its standard deviation) or of a Laplace distribution (its scale), pixels being 0 to 1
    pub sigma: f64,
}

impl Default for Likelihood {
    fn default() -> Self {
        Self { kind: LossKind::default(), sigma: 0.1 }
    }
}

/// How the weight of KL changes in a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetaSchedule {
    /// beta from the first step on
    #[default]
    Constant,
    /// from 0 to beta in a straight line, then beta
    Linear,
    /// several such ramps, each with as many steps at beta behind it.
    /// Source: Fu et al., "Cyclical annealing schedule", 2019
    Cyclical,
    /// `beta |KL - C|`, C growing from 0 in a straight line.
    /// Source: Burgess et al., "Understanding disentangling in beta-VAE", 2018
    Capacity,
}

named! {
    BetaSchedule: Constant "constant", Linear "linear", Cyclical "cyclical", Capacity "capacity"
}

/// What the latents are held to, besides the weight of KL.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// of pixels
    pub likelihood: Likelihood,
    /// of the weight of KL
    pub beta_schedule: BetaSchedule,
    /// epochs of the ramps together; none: half of all epochs, or all of them where there are several ramps
    pub beta_epochs: Option<f64>,
    /// ramps of the cyclical schedule
    pub beta_cycles: u32,
    /// what C of the capacity schedule grows to, in nats
    pub capacity: f64,
    /// nats per dimension and picture that cost nothing
    pub free_bits: f64,
    /// weight of the discrepancy between the batch's latents and the prior, in nats per picture
    pub mmd: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            likelihood: Likelihood::default(),
            beta_schedule: BetaSchedule::default(),
            beta_epochs: None,
            beta_cycles: 4,
            capacity: 25.0,
            free_bits: 0.0,
            mmd: 0.0,
        }
    }
}

/// An error naming `flag` unless `holds`.
pub(super) fn require(holds: bool, flag: &str, value: f64, must: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Usage(format!("{flag} {value}: must be {must}"))) }
}

/// Whether it is a number from zero on.
pub(super) fn from_zero(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl Objective {
    pub(super) fn checked(&self, batch: u32) -> Result<()> {
        let Self { likelihood, beta_epochs, beta_cycles, capacity, free_bits, mmd, .. } = *self;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let sigma = likelihood.sigma;
        require(
            (1e-3..=1e3).contains(&sigma),
            "--sigma",
            sigma,
            "between 0.001 and 1000; pixels are 0 to 1, so 0.1 is a start",
        )?;
        if let Some(epochs) = beta_epochs {
            require(positive(epochs), "--beta-epochs", epochs, "a positive number of epochs")?;
        }
        require(beta_cycles > 0, "--beta-cycles", beta_cycles.into(), "at least 1")?;
        require(from_zero(capacity), "--capacity", capacity, "zero or a positive number of nats")?;
        require(from_zero(free_bits), "--free-bits", free_bits, "zero or a positive number of nats")?;
        require(from_zero(mmd), "--mmd", mmd, "zero or a positive number")?;
        // every pair of the batch is looked at
        let pairs = mmd == 0.0 || (2..=4096).contains(&batch);
        require(
            pairs,
            "--batch-size",
            batch.into(),
            "between 2 and 4096 with --mmd, which compares all pairs",
        )
    }
}
