//! Terms of the loss: the likelihood of pixels, the weight of the KL divergence, the MMD penalty.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::named;
use crate::error::{Error, Result};

/// The likelihood of a pixel under the decoder's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// binary cross-entropy, as in the reference: always positive, but not a normalised density on [0, 1]
    #[default]
    Bce,
    /// a Gaussian of fixed width: squared errors
    Mse,
    /// a Laplace distribution of fixed width: absolute errors, sharper and less sensitive to outliers
    L1,
    /// the cross-entropy, normalised to a density on [0, 1].
    /// Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019
    ContinuousBernoulli,
    /// a Gaussian of the width that fits the errors of a batch best, or of one that is learned (sigma-VAE).
    /// Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021
    Gaussian,
}

named! {
    LossKind: Bce "bce", Mse "mse", L1 "l1", ContinuousBernoulli "continuous-bernoulli", Gaussian "gaussian"
}

impl LossKind {
    /// Whether it is a normalised density, so that its nats are bits per value too.
    pub fn is_density(self) -> bool {
        self != Self::Bce
    }
}

/// The width of a likelihood, for pixels from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "sigma must be a number, common, channel or learned")]
pub enum Sigma {
    /// the best one of a batch, equal for all channels
    Common,
    /// the best one of a batch for each colour channel
    Channel,
    /// a parameter of the model, equal for all channels, which the optimizer trains
    Learned,
    /// standard deviation of the Gaussian of mse, or scale of the Laplace distribution
    #[serde(untagged)]
    Fixed(f64),
}

impl Sigma {
    /// The default of a likelihood with a fixed width.
    const DEFAULT: Self = Self::Fixed(0.1);

    /// Whether it is a number.
    pub fn is_fixed(self) -> bool {
        matches!(self, Self::Fixed(_))
    }
}

impl fmt::Display for Sigma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => f.write_str("common"),
            Self::Channel => f.write_str("channel"),
            Self::Learned => f.write_str("learned"),
            Self::Fixed(sigma) => write!(f, "{sigma}"),
        }
    }
}

impl FromStr for Sigma {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "common" => Ok(Self::Common),
            "channel" => Ok(Self::Channel),
            "learned" => Ok(Self::Learned),
            _ => {
                let wrong = |_| "must be a number, common, channel or learned".to_owned();
                text.parse().map(Self::Fixed).map_err(wrong)
            }
        }
    }
}

/// A likelihood of pixels; losses are in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// the distribution
    pub kind: LossKind,
    /// its width; other kinds than mse, l1 and gaussian do not use it
    pub sigma: Sigma,
}

impl Default for Likelihood {
    fn default() -> Self {
        Self { kind: LossKind::default(), sigma: Sigma::DEFAULT }
    }
}

impl Likelihood {
    /// With the kind's default instead of a width that the kind cannot have.
    #[must_use]
    pub fn consistent(self) -> Self {
        match self.kind {
            LossKind::Gaussian if self.sigma.is_fixed() => Self { sigma: Sigma::Common, ..self },
            LossKind::Gaussian => self,
            _ if self.sigma.is_fixed() => self,
            _ => Self { sigma: Sigma::DEFAULT, ..self },
        }
    }

    /// Whether its width is the best one of a whole set of pictures, so that a single picture has no nats.
    pub fn fits_sigma(self) -> bool {
        self.kind == LossKind::Gaussian && self.sigma != Sigma::Learned
    }

    /// Whether its width is a parameter of the model.
    pub fn learns_sigma(self) -> bool {
        self.kind == LossKind::Gaussian && self.sigma == Sigma::Learned
    }

    /// Whether a file may say so: the width is one that the kind can have, and finite and positive if it is a number.
    pub fn is_valid(self) -> bool {
        let Sigma::Fixed(sigma) = self.sigma else { return self.consistent() == self };
        self.consistent() == self && sigma.is_finite() && sigma > 0.0
    }
}

/// The schedule of the weight of the KL divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetaSchedule {
    /// beta in every step
    #[default]
    Constant,
    /// as `Constant`, but in a training of fewer than 1,500 steps a linear ramp over the first 30 %: a spatial model starts on
    /// a plateau, which a short training hardly leaves
    Auto,
    /// a linear ramp from 0 to beta, then beta
    Linear,
    /// several such ramps, each followed by the same number of steps at beta.
    /// Source: Fu et al., "Cyclical annealing schedule", 2019
    Cyclical,
    /// `beta |KL - C|` with a linear ramp of C from 0.
    /// Source: Burgess et al., "Understanding disentangling in beta-VAE", 2018
    Capacity,
}

named! {
    BetaSchedule: Constant "constant", Auto "auto", Linear "linear", Cyclical "cyclical", Capacity "capacity"
}

/// Terms of the loss. A field that a file does not have, because its version did not know it, gets its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objective {
    /// likelihood of pixels
    pub likelihood: Likelihood,
    /// schedule of beta
    pub beta_schedule: BetaSchedule,
    /// epochs of all ramps together; `None`: half of all epochs, or all of them for the cyclical schedule
    pub beta_epochs: Option<f64>,
    /// ramps of the cyclical schedule
    pub beta_cycles: u32,
    /// final C of the capacity schedule, in nats
    pub capacity: f64,
    /// KL divergence per dimension and picture that is not penalised, in nats
    pub free_bits: f64,
    /// weight of the maximum mean discrepancy between a batch's latents and the prior, in nats per picture
    pub mmd: f64,
}

impl BetaSchedule {
    /// Whether it changes over the steps.
    pub fn is_ramp(self) -> bool {
        !matches!(self, Self::Constant | Self::Auto)
    }
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

/// Whether `value` is finite and not negative.
pub(super) fn from_zero(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl Objective {
    pub(super) fn checked(&self, batch: u32) -> Result<()> {
        let Self { likelihood, beta_epochs, beta_cycles, capacity, free_bits, mmd, .. } = *self;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if let Sigma::Fixed(sigma) = likelihood.sigma {
            require(
                (1e-3..=1e3).contains(&sigma),
                "--sigma",
                sigma,
                "between 0.001 and 1000; pixels are 0 to 1, so 0.1 is a start",
            )?;
        }
        if let Some(epochs) = beta_epochs {
            require(positive(epochs), "--beta-epochs", epochs, "a positive number of epochs")?;
        }
        require(beta_cycles > 0, "--beta-cycles", beta_cycles.into(), "at least 1")?;
        require(from_zero(capacity), "--capacity", capacity, "zero or a positive number of nats")?;
        require(from_zero(free_bits), "--free-bits", free_bits, "zero or a positive number of nats")?;
        require(from_zero(mmd), "--mmd", mmd, "zero or a positive number")?;
        // the estimate compares all pairs of a batch
        let pairs = mmd == 0.0 || (2..=4096).contains(&batch);
        require(
            pairs,
            "--batch-size",
            batch.into(),
            "between 2 and 4096 with --mmd, which compares all pairs",
        )
    }
}
