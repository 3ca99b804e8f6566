//! The error that a flow towards a Gaussian cannot go below.
//! Read this for the score that a learned flow must beat.

use super::linalg::{Principal, cholesky, packed};
use super::{Mixture, mean};

impl Mixture {
    /// The expected squared error of the best velocity field from N(0, I) to a Gaussian of this mixture's covariance, per
    /// dimension of latents divided by `deviations`, for times that are sigmoids of standard normals.
    ///
    /// Along an axis of variance v the error of the best field at time t is `v / ((1 - t)^2 + t^2 v)`: the variance of
    /// `z - e` given `(1 - t) e + t z`. A flow with a larger error on held-out latents has learned less than the Gaussian.
    ///
    /// # Errors
    /// If the covariance is not positive definite in f64, which that of a fit always is.
    ///
    /// # Panics
    /// If there is not one deviation for each dimension.
    pub fn flow_error(&self, deviations: &[f32]) -> Result<f64, String> {
        assert_eq!(deviations.len(), self.dims, "a deviation for each dimension");
        let (mean_of, mut covariance) = self.moments();
        for i in 0..self.dims {
            for j in 0..=i {
                covariance[packed(i, j)] /= f64::from(deviations[i]) * f64::from(deviations[j]);
            }
        }
        let factor = cholesky(covariance).ok_or("the prior's covariance is not positive definite")?;
        let axes = Principal::of(mean_of, &factor);
        let errors: Vec<f64> = axes.values.iter().map(|variance| expected(*variance)).collect();
        Ok(mean(&errors))
    }
}

/// The mean error over the times, by the midpoint rule over five standard deviations of their normals.
fn expected(variance: f64) -> f64 {
    const POINTS: u32 = 400;
    let (mut sum, mut weights) = (0.0, 0.0);
    for i in 0..POINTS {
        let u = -5.0 + 10.0 * (f64::from(i) + 0.5) / f64::from(POINTS);
        let (t, weight) = (1.0 / (1.0 + (-u).exp()), (-0.5 * u * u).exp());
        sum += weight * variance / ((1.0 - t).powi(2) + t * t * variance);
        weights += weight;
    }
    sum / weights
}
