//! Estimators from weighted rows: the Gaussian with Ledoit-Wolf shrinkage, and the steps of EM for mixtures.
//! Read this for the formulas of fitting and their sources.

use super::linalg::{cholesky, packed};
use super::{Component, Mixture, log_sum_exp};

/// Responsibility below which a component does not change the f64 sums of a row.
const NEGLIGIBLE: f64 = 1e-17;
/// Minimum weight of the scaled identity in a Ledoit-Wolf covariance: keeps the condition number finite if there are so
/// many rows that almost nothing is shrunk, but a dimension is constant.
const MIN_SHRINKAGE: f64 = 1e-6;
/// Rows processed together in a covariance: the triangle is read and written once for all of them.
const TOGETHER: usize = 4;

/// The weighted mean of rows, and the sum of the weights.
fn weighted_mean(rows: &[f32], dims: usize, weight: impl Fn(usize) -> f64) -> (Vec<f64>, f64) {
    let (mut mean, mut total) = (vec![0.0; dims], 0.0);
    for (n, row) in rows.chunks_exact(dims).enumerate() {
        let w = weight(n);
        if w < NEGLIGIBLE {
            continue;
        }
        total += w;
        for (sum, &z) in mean.iter_mut().zip(row) {
            *sum += w * f64::from(z);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= total);
    (mean, total)
}

/// `sum_n w_n (z_n - mean) (z_n - mean)^T`, packed.
fn scatter(rows: &[f32], dims: usize, mean: &[f64], weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; packed(dims, 0)];
    let mut few = [const { Vec::new() }; TOGETHER];
    let weights = (0..rows.len() / dims).map(|n| (n, weight(n)));
    let mut used = weights.filter(|(_, w)| *w >= NEGLIGIBLE).peekable();
    while used.peek().is_some() {
        for deviation in &mut few {
            deviation.clear();
            match used.next() {
                Some((n, w)) => {
                    let (row, root) = (&rows[n * dims..][..dims], w.sqrt());
                    deviation.extend(row.iter().zip(mean).map(|(&z, m)| root * (f64::from(z) - m)));
                }
                None => deviation.resize(dims, 0.0),
            }
        }
        let [a, b, c, d] = &few;
        for i in 0..dims {
            let to = &mut sums[packed(i, 0)..=packed(i, i)];
            let columns = a.iter().zip(b).zip(c.iter().zip(d));
            for (sum, ((aj, bj), (cj, dj))) in to.iter_mut().zip(columns) {
                *sum += a[i] * aj + b[i] * bj + (c[i] * cj + d[i] * dj);
            }
        }
    }
    sums
}

/// The variance of each dimension over `rows`, `[N, D]`.
pub(super) fn variances(rows: &[f32], dims: usize) -> Vec<f64> {
    let (mean, count) = weighted_mean(rows, dims, |_| 1.0);
    let mut sums = vec![0.0; dims];
    for row in rows.chunks_exact(dims) {
        for ((sum, &z), m) in sums.iter_mut().zip(row).zip(&mean) {
            *sum += (f64::from(z) - m).powi(2);
        }
    }
    sums.into_iter().map(|sum| sum / count).collect()
}

/// The covariance `S = 1/n sum x x^T` of rows x, centred, shrunk to `(1 - d) S + d m I` with `m = tr S / D`, and d:
///
/// `d = min(1, 1/n^2 sum |x x^T - S|^2 / |S - m I|^2)`, with Frobenius norms, and
/// `sum |x x^T - S|^2 = sum |x|^4 - n |S|^2`.
///
/// Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
/// Analysis 88 (2004), lemmas 3.2 to 3.4.
pub(super) fn ledoit_wolf(rows: &[f32], dims: usize) -> (Vec<f64>, Vec<f64>, f64) {
    let (mean, count) = weighted_mean(rows, dims, |_| 1.0);
    let mut covariance = scatter(rows, dims, &mean, |_| 1.0);
    covariance.iter_mut().for_each(|s| *s /= count);
    let scale = (0..dims).map(|i| covariance[packed(i, i)]).sum::<f64>() / dims as f64;
    let (mut norm, mut distance) = (0.0, 0.0);
    for i in 0..dims {
        let off: f64 = covariance[packed(i, 0)..packed(i, i)].iter().map(|s| s * s).sum();
        norm += 2.0 * off + covariance[packed(i, i)].powi(2);
        distance += 2.0 * off + (covariance[packed(i, i)] - scale).powi(2);
    }
    let fourth =
        |row: &[f32]| row.iter().zip(&mean).map(|(&z, m)| (f64::from(z) - m).powi(2)).sum::<f64>().powi(2);
    let error = (rows.chunks_exact(dims).map(fourth).sum::<f64>() / count - norm) / count;
    let shrinkage = if distance > 0.0 { (error / distance).clamp(MIN_SHRINKAGE, 1.0) } else { 1.0 };
    for i in 0..dims {
        covariance[packed(i, 0)..=packed(i, i)].iter_mut().for_each(|s| *s *= 1.0 - shrinkage);
        covariance[packed(i, i)] += shrinkage * scale;
    }
    (mean, covariance, shrinkage)
}

/// The Gaussian with [`ledoit_wolf`]'s covariance.
pub(super) fn gaussian(rows: &[f32], dims: usize) -> Result<Mixture, String> {
    let (mean, covariance, _) = ledoit_wolf(rows, dims);
    let factor = cholesky(covariance).ok_or("the rows do not differ")?;
    Ok(Mixture { dims, components: vec![Component { weight: 1.0, mean, factor }] })
}

/// Regularization of the covariances of a mixture, which keeps them positive definite.
///
/// With effective count `n_k` and weighted covariance `S_k` of component k, its covariance is
/// `(n_k S_k + v T) / (n_k + v)`, where T comes from the covariance within the components, `P = sum_k n_k S_k / n`:
/// `T = (1 - g) P + g diag P`, with the diagonal raised to `floor`. It is positive definite for `v, g > 0`.
///
/// This is the mode for an inverse Wishart prior worth v rows with covariance T (Fraley and Raftery, "Bayesian
/// regularization for normal mixture estimation and model-based clustering", J. Classification 24 (2007), who use `v`
/// about D + 2). T is pooled within the components as in Friedman, "Regularized discriminant analysis", JASA 84 (1989),
/// because the covariance of all rows would be far too wide for distant components. As T changes with the components,
/// the likelihood may decrease in some steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shrinkage<'a> {
    /// v, in rows; 0 gives maximum likelihood
    pub(super) rows: f64,
    /// g, from 0 to 1
    pub(super) diagonal: f64,
    /// minimum variances in T, \[D\]
    pub(super) floor: &'a [f64],
}

/// The expectation step: sets `responsibilities` to `p(k
/// z)`, `[N, K]`; returns the mean log density.
pub(super) fn expect(mixture: &Mixture, rows: &[f32], responsibilities: &mut Vec<f64>) -> f64 {
    *responsibilities = mixture.log_joint(rows);
    let mut sum = 0.0;
    for joint in responsibilities.chunks_exact_mut(mixture.components.len()) {
        let density = log_sum_exp(joint);
        joint.iter_mut().for_each(|j| *j = (*j - density).exp());
        sum += density;
    }
    sum / (rows.len() / mixture.dims) as f64
}

/// The maximisation step, for responsibilities `[N, K]`. Components with less than one row are dropped.
/// Source: Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39
/// (1977); the formulas are Bishop, "Pattern Recognition and Machine Learning" (2006), 9.24 to 9.26.
pub(super) fn maximise(
    rows: &[f32],
    dims: usize,
    responsibilities: &[f64],
    shrinkage: Shrinkage<'_>,
) -> Result<Mixture, String> {
    let among = responsibilities.len() / (rows.len() / dims);
    let mut parts = Vec::new();
    let mut pooled = vec![0.0; packed(dims, 0)];
    for k in 0..among {
        let weight = |n: usize| responsibilities[n * among + k];
        let (mean, count) = weighted_mean(rows, dims, weight);
        if count < 1.0 {
            continue;
        }
        let sums = scatter(rows, dims, &mean, weight);
        pooled.iter_mut().zip(&sums).for_each(|(p, s)| *p += s);
        parts.push((mean, count, sums));
    }
    let total: f64 = parts.iter().map(|(_, count, _)| count).sum();
    // v T, in place of n P
    for i in 0..dims {
        let (off, on) = (packed(i, 0)..packed(i, i), packed(i, i));
        pooled[off].iter_mut().for_each(|p| *p *= shrinkage.rows * (1.0 - shrinkage.diagonal) / total);
        pooled[on] = shrinkage.rows * (pooled[on] / total).max(shrinkage.floor[i]);
    }
    let components = parts.into_iter().map(|(mean, count, mut sums)| {
        sums.iter_mut().zip(&pooled).for_each(|(s, t)| *s = (*s + t) / (count + shrinkage.rows));
        let factor = cholesky(sums).ok_or("a component's covariance is not positive definite")?;
        Ok(Component { weight: count / total, mean, factor })
    });
    Ok(Mixture { dims, components: components.collect::<Result<_, String>>()? })
}

/// Result of an EM run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) mixture: Mixture,
    /// mean log density of the training rows
    pub(super) likelihood: f64,
    pub(super) iterations: u32,
    pub(super) converged: bool,
}

/// EM from `start`, until an iteration changes the mean log density by less than `tolerance`.
pub(super) fn run(
    start: Mixture,
    rows: &[f32],
    shrinkage: Shrinkage<'_>,
    most: u32,
    tolerance: f64,
) -> Result<Run, String> {
    let mut responsibilities = Vec::new();
    let likelihood = expect(&start, rows, &mut responsibilities);
    let mut run = Run { mixture: start, likelihood, iterations: 0, converged: false };
    while run.iterations < most && !run.converged {
        run.mixture = maximise(rows, run.mixture.dims, &responsibilities, shrinkage)?;
        let likelihood = expect(&run.mixture, rows, &mut responsibilities);
        run.converged = (likelihood - run.likelihood).abs() < tolerance;
        run.likelihood = likelihood;
        run.iterations += 1;
    }
    Ok(run)
}
