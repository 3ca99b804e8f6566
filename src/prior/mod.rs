//! A prior fitted to latents: one Gaussian or a mixture of Gaussians, all with full covariances.
//! Start here for densities, samples and principal axes.
//!
//! A VAE is trained against N(0, I), but the latents of its pictures, z ~ q(z|x) over all pictures x, follow another
//! distribution (the aggregate posterior; Hoffman and Johnson, "ELBO surgery", 2016). Sampling from a density fitted to
//! them gives pictures that look more like the training pictures.
//!
//! [`fit`] chooses the number of components by held-out likelihood; [`Mixture`] is stored and sampled from.

mod classes;
mod em;
mod fit;
mod flow_error;
mod kmeans_init;
mod linalg;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use classes::{MIN_OF_CLASS, fit_classes};
pub use fit::{Candidate, Fit, Settings, fit};
pub use linalg::Principal;
use linalg::{LANES, cholesky, packed, solve_lanes};

/// Number of dimensions above which [`Mixture::checked`] refuses the file as damaged: one factor would be 17 GB.
const MAX_DIMS: usize = 1 << 16;
/// Tolerance for the sum of the weights of a stored mixture, which must be 1.
const WEIGHT_SLACK: f64 = 1e-6;

/// A mixture of Gaussians: `p(z) = sum_k w_k N(z; mean_k, L_k L_k^T)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// D, the latent dimensions
    pub dims: usize,
    /// components, at least one
    pub components: Vec<Component>,
}

/// One Gaussian of a [`Mixture`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// mixture weight
    pub weight: f64,
    /// mean, \[D\]
    pub mean: Vec<f64>,
    /// L, the lower Cholesky factor of the covariance, row by row without the zeros: `L[i][j]` with `j <= i` is element
    /// `i (i + 1) / 2 + j` of D (D + 1) / 2
    pub factor: Vec<f64>,
}

impl Component {
    /// `ln w - D/2 ln 2 pi - ln det L`: the log density at the mean, plus the log weight.
    fn log_peak(&self) -> f64 {
        let dims = self.mean.len();
        let log_det: f64 = (0..dims).map(|i| self.factor[packed(i, i)].ln()).sum();
        self.weight.ln() - 0.5 * dims as f64 * std::f64::consts::TAU.ln() - log_det
    }
}

impl Mixture {
    /// The components' contributions to the density of each row, `ln w_k N(z; ...)`: `[N, K]`.
    ///
    /// With `L y = z - mean`, the exponent is `-|y|^2 / 2`.
    fn log_joint(&self, rows: &[f32]) -> Vec<f64> {
        assert!(rows.len().is_multiple_of(self.dims), "rows of {} numbers", self.dims);
        let (count, among) = (rows.len() / self.dims, self.components.len());
        let mut joint = vec![0.0; count * among];
        let mut lanes = vec![[0.0; LANES]; self.dims];
        // component by component, so that its factor stays in the cache
        for (k, component) in self.components.iter().enumerate() {
            let peak = component.log_peak();
            for (block, few) in rows.chunks(LANES * self.dims).enumerate() {
                for (lane, row) in few.chunks_exact(self.dims).enumerate() {
                    for ((at, &z), &mean) in lanes.iter_mut().zip(row).zip(&component.mean) {
                        at[lane] = f64::from(z) - mean;
                    }
                }
                // lanes beyond the last row hold unused leftovers
                let squares = solve_lanes(&component.factor, &mut lanes);
                for lane in 0..few.len() / self.dims {
                    joint[(block * LANES + lane) * among + k] = peak - 0.5 * squares[lane];
                }
            }
        }
        joint
    }

    /// `ln p` of every row of `rows`, `[N, D]`, in nats.
    fn log_densities(&self, rows: &[f32]) -> Vec<f64> {
        // in chunks: the joint densities of all rows at once may be large
        let portions = rows.chunks(4096 * self.dims).map(|few| self.log_joint(few));
        portions
            .flat_map(|joint| joint.chunks(self.components.len()).map(log_sum_exp).collect::<Vec<_>>())
            .collect()
    }

    /// `ln p(z)` in nats.
    ///
    /// # Panics
    /// If `z` does not have D numbers.
    pub fn log_density(&self, z: &[f32]) -> f64 {
        assert_eq!(z.len(), self.dims, "a latent has {} numbers", self.dims);
        log_sum_exp(&self.log_joint(z))
    }

    /// The mean of `ln p` over `rows`, `[N, D]`, in nats per latent; NaN for no rows.
    ///
    /// # Panics
    /// If `rows` is not a whole number of latents.
    pub fn mean_log_density(&self, rows: &[f32]) -> f64 {
        mean(&self.log_densities(rows))
    }

    /// Sample number `index` of `seed`: `mean + temperature L e`, with a component drawn by its weight and e ~ N(0, I).
    /// It depends on these arguments alone.
    ///
    /// A temperature of 1 samples the prior, 0 gives the component's mean; the chosen component does not depend on it.
    pub fn sample(&self, seed: u64, index: u64, temperature: f64) -> Vec<f32> {
        let mut stream = kmeans_init::Stream::new(seed, kmeans_init::SAMPLE, index);
        let mut left = stream.uniform();
        let mut chosen = &self.components[0];
        for component in &self.components {
            // rounding may leave a rest after the last component, which is then chosen
            chosen = component;
            left -= component.weight;
            if left < 0.0 {
                break;
            }
        }
        chosen.sample(&mut stream, temperature)
    }

    /// As [`Mixture::sample`], from one component. The noise is that of the other components.
    ///
    /// # Panics
    /// If there is no such component.
    pub fn sample_of(&self, component: usize, seed: u64, index: u64, temperature: f64) -> Vec<f32> {
        let mut stream = kmeans_init::Stream::new(seed, kmeans_init::SAMPLE, index);
        let _ = stream.uniform(); // would choose a component
        self.components[component].sample(&mut stream, temperature)
    }

    /// Validates a mixture read from a file.
    ///
    /// # Errors
    /// If there are no components, a length is wrong, a number is not finite, a weight is not positive, the weights do
    /// not sum to 1, or a covariance is not positive definite.
    pub fn checked(self) -> Result<Self, String> {
        let dims = self.dims;
        if dims == 0 || dims > MAX_DIMS {
            return Err(format!("a prior of {dims} dimensions: 1 to {MAX_DIMS} can be"));
        }
        if self.components.is_empty() {
            return Err("a prior without components".to_owned());
        }
        for (k, component) in self.components.iter().enumerate() {
            component.check(dims).map_err(|reason| format!("component {k} of the prior: {reason}"))?;
        }
        let sum: f64 = self.components.iter().map(|c| c.weight).sum();
        if (sum - 1.0).abs() > WEIGHT_SLACK {
            return Err(format!("the weights of the prior's components sum to {sum}, not to 1"));
        }
        Ok(self)
    }

    /// The overall mean and covariance, the latter packed like a factor:
    /// `sum_k w_k (L_k L_k^T + (mean_k - mean) (mean_k - mean)^T)`.
    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let mut mean = vec![0.0; self.dims];
        for component in &self.components {
            for (sum, m) in mean.iter_mut().zip(&component.mean) {
                *sum += component.weight * m;
            }
        }
        let mut covariance = vec![0.0; packed(self.dims, 0)];
        for Component { weight, mean: own, factor } in &self.components {
            for i in 0..self.dims {
                for j in 0..=i {
                    let (a, b) = (&factor[packed(i, 0)..=packed(i, i)], &factor[packed(j, 0)..=packed(j, j)]);
                    let within: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    let between = (own[i] - mean[i]) * (own[j] - mean[j]);
                    covariance[packed(i, j)] += weight * (within + between);
                }
            }
        }
        (mean, covariance)
    }

    /// The overall principal axes: eigenvectors and eigenvalues of the covariance, largest first.
    ///
    /// # Errors
    /// If the covariance is not positive definite in f64, which a result of [`fit`] always is.
    pub fn principal(&self) -> Result<Principal, String> {
        let (mean, covariance) = self.moments();
        let factor = cholesky(covariance).ok_or("the prior's covariance is not positive definite")?;
        Ok(Principal::of(mean, &factor))
    }
}

impl Component {
    fn sample(&self, stream: &mut kmeans_init::Stream, temperature: f64) -> Vec<f32> {
        let dims = self.mean.len();
        let noise: Vec<f64> = (0..dims).map(|_| stream.normal()).collect();
        let at = |i: usize| {
            let row = &self.factor[packed(i, 0)..=packed(i, i)];
            let deviation: f64 = row.iter().zip(&noise).map(|(l, e)| l * e).sum();
            (self.mean[i] + temperature * deviation) as f32
        };
        (0..dims).map(at).collect()
    }

    fn check(&self, dims: usize) -> Result<(), String> {
        let numbers = packed(dims, 0);
        if self.mean.len() != dims {
            return Err(format!("its mean has {} numbers, not {dims}", self.mean.len()));
        }
        if self.factor.len() != numbers {
            return Err(format!("its factor has {} numbers, not {numbers}", self.factor.len()));
        }
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            return Err(format!("its weight is {}, not a positive number", self.weight));
        }
        if !self.mean.iter().chain(&self.factor).all(|x| x.is_finite()) {
            return Err("a number is not finite".to_owned());
        }
        match (0..dims).find(|&i| self.factor[packed(i, i)] <= 0.0) {
            Some(i) => Err(format!("element {i} of its factor's diagonal is not positive")),
            None => Ok(()),
        }
    }
}

/// `ln sum exp`, without overflow.
fn log_sum_exp(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most; // infinitely far from every component: inf - inf would be NaN
    }
    most + terms.iter().map(|t| (t - most).exp()).sum::<f64>().ln()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
