//! The slider axes of the web page.
//! Read this for the choice of directions.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::generate::{self, Fitted};

/// Maximum number of sliders on a page.
const MAX_AXES: usize = 12;

/// Orthonormal directions of latent space around a point. A slider's value is `dot(z - mean, direction) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axes {
    /// `dimensions` (ordered by KL divergence if known), or `principal` axes of the fitted prior
    pub kind: &'static str,
    /// origin of the sliders, \[Z\]
    pub mean: Vec<f64>,
    /// axes, most important first
    pub list: Vec<Axis>,
}

/// A slider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// index of the latent dimension, for `dimensions`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// unit vector, \[Z\], for `principal`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Vec<f64>>,
    /// one standard deviation along the axis
    pub scale: f64,
    /// KL divergence of the dimension in nats, if measured
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// share of the prior's variance along the axis
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Axes {
    /// The fitted prior's principal axes, or the dimensions with the highest KL divergence, or the first dimensions.
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
