//! What the page's sliders move.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::generate::{self, Fitted};

/// Sliders that a page has at most.
const MAX_AXES: usize = 12;

/// Orthonormal directions of latent space around a point. A slider's value is `dot(z - mean, direction) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axes {
    /// `dimensions` (by their divergence if it is known), or `principal`, of the fitted prior
    pub kind: &'static str,
    /// \[Z\]
    pub mean: Vec<f64>,
    /// the most telling ones first
    pub list: Vec<Axis>,
}

/// One slider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// the latent dimension, where it is one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// \[Z\], of length 1, where it is no single dimension
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Vec<f64>>,
    /// one standard deviation
    pub scale: f64,
    /// the dimension's divergence in nats, if it was measured
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// the direction's share of the prior's variance
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Axes {
    /// The fitted prior's principal directions, or else the dimensions with the highest divergence, or else the first.
    ///
    /// # Errors
    /// If the prior's covariance is not positive definite.
    pub fn new(latent: u32, kl: Option<&[f64]>, prior: Option<&Fitted>) -> Result<Self> {
        let latent = latent as usize;
        let Some(prior) = prior else {
            let order = kl.map_or_else(|| (0..latent).collect(), generate::by_kl);
            let axis = |dimension: usize| Axis {
                dimension: Some(dimension),
                direction: None,
                scale: 1.0,
                kl: kl.map(|kl| kl[dimension]),
                share: None,
            };
            let list = order.into_iter().take(MAX_AXES).map(axis).collect();
            return Ok(Self { kind: "dimensions", mean: vec![0.0; latent], list });
        };
        let principal = prior.mixture.principal().map_err(Error::Usage)?;
        let total: f64 = principal.values.iter().sum();
        let axis = |(value, direction): (&f64, &Vec<f64>)| Axis {
            dimension: None,
            direction: Some(direction.clone()),
            scale: value.sqrt(),
            kl: None,
            share: Some(value / total),
        };
        let list = principal.values.iter().zip(&principal.vectors).take(MAX_AXES).map(axis).collect();
        Ok(Self { kind: "principal", mean: principal.mean, list })
    }
}
