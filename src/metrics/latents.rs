//! Statistics of latents: active units, distance of the aggregate posterior from the prior, and the IWAE bound.
//! Read this to interpret the latent section of `evaluate`.

use super::{Result, moments, refused, rows};

/// Variance above which a latent dimension counts as active: Burda, Grosse and Salakhutdinov, "Importance weighted
/// autoencoders", ICLR 2016, section 5.2.
pub const ACTIVE: f64 = 0.01;

/// Distance of the aggregate posterior's moments from those of the prior N(0, I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// KL(N(mean, covariance) || N(0, I)) in nats. It is a lower bound on the aggregate posterior's KL from the prior;
    /// the difference is the aggregate posterior's KL from the Gaussian with its moments.
    pub kl: f64,
    /// largest |mean| of a dimension
    pub largest_mean: f64,
    /// smallest and largest standard deviation of a dimension
    pub deviations: (f64, f64),
}

/// Number of dimensions in which the posterior means `[N, dims]` have a variance over the data above [`ACTIVE`]
/// (divided by N).
///
/// # Errors
/// If a mean is not finite.
///
/// # Panics
/// If the table is empty or has no whole rows.
pub fn active_units(mu: &[f64], dims: usize) -> Result<usize> {
    rows("active_units", mu.len(), dims);
    finite("active_units", "mean", mu, dims)?;
    Ok((0..dims).filter(|&dim| moments(column(mu, dims, dim)).1 > ACTIVE).count())
}

/// Compares the moments of the aggregate posterior, the mixture over the data of N(`mu`, diag(`var`)), both `[N,
/// dims]`, with those of the prior. Its covariance is the mean of diag(var) plus the covariance of mu (divided by N,
/// because it is the covariance of this mixture and not an estimate). The quantity is the marginal KL of Hoffman and
/// Johnson, "ELBO surgery", NIPS workshop 2016, up to second moments.
///
/// # Errors
/// If a mean is not finite, a variance is not a positive number, or the covariance is singular.
///
/// # Panics
/// If the tables are empty, differ in length or have no whole rows.
pub fn aggregate_mismatch(mu: &[f64], var: &[f64], dims: usize) -> Result<Mismatch> {
    assert_eq!(mu.len(), var.len(), "aggregate_mismatch: {} means and {} variances", mu.len(), var.len());
    let count = rows("aggregate_mismatch", mu.len(), dims) as f64;
    finite("aggregate_mismatch", "mean", mu, dims)?;
    finite("aggregate_mismatch", "variance", var, dims)?;
    if let Some(at) = var.iter().position(|&var| var <= 0.0) {
        let (row, dim, var) = (at / dims, at % dims, var[at]);
        return refused(format!("aggregate_mismatch: the variance of row {row}, dimension {dim} is {var}"));
    }
    let means: Vec<f64> = (0..dims).map(|dim| moments(column(mu, dims, dim)).0).collect();
    let mut covariance = vec![0.0; dims * dims];
    for (mu, var) in mu.chunks_exact(dims).zip(var.chunks_exact(dims)) {
        let centred: Vec<f64> = mu.iter().zip(&means).map(|(mu, mean)| mu - mean).collect();
        for (i, row) in covariance.chunks_exact_mut(dims).enumerate() {
            row.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += centred[i] * other / count);
            row[i] += var[i] / count;
        }
    }
    let diagonal = || (0..dims).map(|dim| covariance[dim * dims + dim]);
    let deviations =
        diagonal().map(f64::sqrt).fold((f64::INFINITY, 0.0), |(low, high), d| (d.min(low), d.max(high)));
    let trace: f64 = diagonal().sum();
    let squares: f64 = means.iter().map(|mean| mean * mean).sum();
    let Some(log_determinant) = log_determinant(covariance, dims) else {
        return refused("aggregate_mismatch: the latents' covariance is singular".to_owned());
    };
    let kl = 0.5 * (trace + squares - dims as f64 - log_determinant);
    let largest_mean = means.iter().fold(0.0, |largest, mean| mean.abs().max(largest));
    Ok(Mismatch { kl, largest_mean, deviations })
}

/// The importance weighted bound on ln p(x), in nats, from K log weights ln p(x, z) - ln q(z|x) with z from q(z|x): the
/// logarithm of the mean weight, Burda, Grosse and Salakhutdinov 2016, equation 8. With one weight it is an estimate of
/// the ELBO. A log weight of -inf is a weight of 0.
///
/// # Errors
/// If a log weight is NaN or +inf.
///
/// # Panics
/// If there are no weights.
pub fn iwae_bound(log_weights: &[f64]) -> Result<f64> {
    assert!(!log_weights.is_empty(), "iwae_bound: no log weights");
    if let Some(at) = log_weights.iter().position(|&weight| weight.is_nan() || weight == f64::INFINITY) {
        return refused(format!("iwae_bound: log weight {at} is {}", log_weights[at]));
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return Ok(largest); // avoids NaN from -inf - -inf below
    }
    // relative to the largest, whose exponential is 1: no overflow, and the sum is positive
    let sum: f64 = log_weights.iter().map(|weight| (weight - largest).exp()).sum();
    Ok(largest + sum.ln() - (log_weights.len() as f64).ln())
}

fn column(table: &[f64], columns: usize, column: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
    table[column..].iter().step_by(columns).copied()
}

fn finite(function: &str, what: &str, table: &[f64], columns: usize) -> Result<()> {
    match table.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (row, column, value) = (at / columns, at % columns, table[at]);
            refused(format!("{function}: the {what} of row {row}, dimension {column} is {value}"))
        }
    }
}

/// Log determinant of a symmetric positive definite matrix, from its Cholesky factor; `None` if it is not positive
/// definite.
fn log_determinant(mut matrix: Vec<f64>, side: usize) -> Option<f64> {
    let mut sum = 0.0;
    for i in 0..side {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i * side + k] * matrix[j * side + k]).sum();
            let rest = matrix[i * side + j] - known;
            if i > j {
                matrix[i * side + j] = rest / matrix[j * side + j];
            } else if rest > 0.0 {
                matrix[i * side + i] = rest.sqrt();
                sum += rest.ln();
            } else {
                return None;
            }
        }
    }
    Some(sum)
}
