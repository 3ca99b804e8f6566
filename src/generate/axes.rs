//! Directions of latent space to move along: the sliders of the web page and the rows of a traversal.
//! Read this for the choice of directions.

use serde::Serialize;

use super::{Fitted, by_kl};
use crate::data;
use crate::error::{Error, Result};
use crate::linalg::{dot, orthogonalize};

/// Latents that principal axes are computed from, at most: the time grows with the square of their number.
const MAX_LATENTS: usize = 256;

/// Orthonormal directions of latent space around a point. The value of z on an axis is
/// `dot(z - mean, direction) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axes {
    /// `dimensions` (ordered by KL divergence if known), or `principal` axes of the fitted prior
    pub kind: &'static str,
    /// point where every axis has the value 0, \[Z\]
    pub mean: Vec<f64>,
    /// axes, most important first
    pub list: Vec<Axis>,
}

/// One direction.
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
    /// At most `count` axes: the fitted prior's principal axes, or the dimensions with the highest KL divergence, or the
    /// first dimensions.
    ///
    /// # Errors
    /// If the prior's covariance is not positive definite.
    pub fn new(latent: u32, count: usize, kl: Option<&[f64]>, prior: Option<&Fitted>) -> Result<Self> {
        let latent = latent as usize;
        let Some(prior) = prior else {
            let order = kl.map_or_else(|| (0..latent).collect(), by_kl);
            let axis = |dimension: usize| Axis {
                dimension: Some(dimension),
                direction: None,
                scale: 1.0,
                kl: kl.map(|kl| kl[dimension]),
                share: None,
            };
            let list = order.into_iter().take(count).map(axis).collect();
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
        let list = principal.values.iter().zip(&principal.vectors).take(count).map(axis).collect();
        Ok(Self { kind: "principal", mean: principal.mean, list })
    }

    /// At most `count` principal axes of latents, `[N, Z]`. Of more than 256 latents 256 are used, evenly spaced.
    ///
    /// The axes are the left singular vectors of the centred latents, so Z may be larger than N.
    ///
    /// # Errors
    /// If there are fewer than two latents, or all of them are equal.
    ///
    /// # Panics
    /// If the latents are no whole number of rows of `dims`.
    pub fn of_latents(latents: &[f32], dims: usize, count: usize) -> Result<Self> {
        assert!(latents.len().is_multiple_of(dims), "{} latents of {dims} dimensions", latents.len());
        let all: Vec<&[f32]> = latents.chunks(dims).collect();
        let rows: Vec<&[f32]> = data::evenly(all.len(), MAX_LATENTS).map(|at| all[at]).collect();
        let number = rows.len() as f64;
        let mean = |at| rows.iter().map(|row: &&[f32]| f64::from(row[at])).sum::<f64>() / number;
        let mean: Vec<f64> = (0..dims).map(mean).collect();
        let centred = |row: &&[f32]| -> Vec<f64> {
            row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect()
        };
        let mut columns: Vec<Vec<f64>> = rows.iter().map(centred).collect();
        let total: f64 = columns.iter().map(|column| dot(column, column)).sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(Error::Usage("principal directions need at least two different pictures".into()));
        }
        orthogonalize(&mut columns, 1e-20 * total);
        columns.sort_by(|a, b| dot(b, b).total_cmp(&dot(a, a)));
        let axis = |column: &Vec<f64>| {
            let square = dot(column, column);
            Axis {
                dimension: None,
                direction: Some(column.iter().map(|value| value / square.sqrt()).collect()),
                scale: (square / (number - 1.0)).sqrt(),
                kl: None,
                share: Some(square / total),
            }
        };
        let list = columns.iter().take(count).filter(|column| dot(column, column) > 1e-12 * total).map(axis);
        Ok(Self { kind: "principal", list: list.collect(), mean })
    }
}

impl Axis {
    /// Moves `z`, `[Z]`, along this axis around `mean`, `[Z]`, to where its value on the axis is `value`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn move_to(&self, mean: &[f64], z: &mut [f32], value: f64) {
        assert_eq!(mean.len(), z.len(), "z and the mean have the same dimensions");
        let Some(direction) = &self.direction else {
            let at = self.dimension.expect("an axis is a dimension or a direction");
            z[at] = (mean[at] + value * self.scale) as f32;
            return;
        };
        let now: f64 =
            z.iter().zip(mean).zip(direction).map(|((z, mean), d)| (f64::from(*z) - mean) * d).sum();
        for (z, d) in z.iter_mut().zip(direction) {
            *z = (f64::from(*z) + (value * self.scale - now) * d) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_axes_of_latents_are_those_of_their_covariance() {
        // points on two orthogonal lines through (1, 2, 3): variances 4 * 2 / 3 and 2 * 2 / 3 by N - 1 = 3
        let (first, second) = ([0.6, 0.8, 0.0], [0.0, 0.0, 1.0]);
        let at =
            |a: f64, b: f64| (0..3).map(move |i| ([1.0, 2.0, 3.0][i] + a * first[i] + b * second[i]) as f32);
        let rows: Vec<f32> =
            [at(2.0, 0.0), at(-2.0, 0.0), at(0.0, 1.0), at(0.0, -1.0)].into_iter().flatten().collect();
        let axes = Axes::of_latents(&rows, 3, 8).expect("axes");
        assert_eq!(axes.list.len(), 2, "the third direction has no variance: {axes:?}");
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        for (axis, (direction, variance)) in axes.list.iter().zip([(first, 8.0 / 3.0), (second, 2.0 / 3.0)]) {
            assert!(near(axis.scale.powi(2), variance), "{axis:?}");
            assert!(near(axis.share.expect("a share"), variance / (10.0 / 3.0)), "{axis:?}");
            let cosine: f64 = axis.direction.iter().flatten().zip(direction).map(|(a, b)| a * b).sum();
            assert!(near(cosine.abs(), 1.0), "{axis:?}");
        }

        let mut z = [5.0, 6.0, 7.0];
        axes.list[1].move_to(&axes.mean, &mut z, 0.0);
        assert!(z.iter().zip([5.0, 6.0, 3.0]).all(|(a, b)| near(f64::from(*a), b)), "{z:?}");
        assert!(Axes::of_latents(&rows[..3], 3, 2).is_err(), "one picture has no directions");
    }
}
