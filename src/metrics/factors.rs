//! MIG and SAP: whether each factor of the data is encoded by a single latent dimension.
//! Read this to interpret the scores of `evaluate` for data with known factors.

use rayon::prelude::*;

use super::{Result, moments, refused, rows};

/// Number of equal-width bins for continuous values, as in Locatello et al., "Challenging common assumptions in the
/// unsupervised learning of disentangled representations", ICML 2019.
pub const BINS: usize = 20;

/// Variance below which a latent is constant, up to rounding errors.
const CONSTANT: f64 = 1e-12;

/// Kind of a factor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Categories: only equality counts.
    Discrete,
    /// Numbers with an order and a distance.
    Continuous,
}

/// A score with its components.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// mean over the factors
    pub mean: f64,
    /// score of each factor
    pub factors: Vec<f64>,
}

impl Score {
    pub(super) fn of(factors: Vec<f64>) -> Self {
        Self { mean: factors.iter().sum::<f64>() / factors.len() as f64, factors }
    }
}

/// Latents of pictures, usually the posterior means, and the generative factors of the pictures.
#[derive(Debug, Clone)]
pub struct Samples {
    /// one column of values per dimension
    pub(super) latents: Vec<Vec<f64>>,
    pub(super) factors: Vec<Factor>,
}

#[derive(Debug, Clone)]
pub(super) struct Factor {
    pub(super) kind: Kind,
    pub(super) values: Vec<f64>,
    /// category numbers, or bins
    pub(super) labels: Labels,
}

#[derive(Debug, Clone)]
pub(super) struct Labels {
    pub(super) of: Vec<usize>,
    pub(super) count: usize,
}

impl Samples {
    /// `latents` is `[N, dims]`, `factors` `[N, kinds.len()]`.
    ///
    /// # Errors
    /// If a value is not finite, or a factor is constant.
    ///
    /// # Panics
    /// If the tables are empty or do not have the same number of whole rows.
    pub fn new(latents: &[f64], dims: usize, factors: &[f64], kinds: &[Kind]) -> Result<Self> {
        let columns = kinds.len();
        let (count, known) = (
            rows("Samples::new, latents", latents.len(), dims),
            rows("Samples::new, factors", factors.len(), columns),
        );
        assert_eq!(count, known, "Samples::new: latents [{count}, {dims}] and factors [{known}, {columns}]");
        for (what, table, columns) in [("latent", latents, dims), ("factor", factors, columns)] {
            if let Some(at) = table.iter().position(|value| !value.is_finite()) {
                let (row, column, value) = (at / columns, at % columns, table[at]);
                return refused(format!("Samples::new: row {row} of {what} {column} is {value}"));
            }
        }
        let column = |table: &[f64], columns: usize, column: usize| -> Vec<f64> {
            table[column..].iter().step_by(columns).copied().collect()
        };
        let factor = |(i, &kind): (usize, &Kind)| {
            let values = column(factors, columns, i);
            if values.iter().all(|&value| value == values[0]) {
                return refused(format!("Samples::new: factor {i} is {} in all {count} rows", values[0]));
            }
            let labels = match kind {
                Kind::Discrete => Labels::named(&values),
                Kind::Continuous => Labels::binned(&values),
            };
            Ok(Factor { kind, values, labels })
        };
        let factors = kinds.iter().enumerate().map(factor).collect::<Result<_>>()?;
        Ok(Self { latents: (0..dims).map(|dim| column(latents, dims, dim)).collect(), factors })
    }

    /// Mutual information gap, 0 to 1: Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in
    /// variational autoencoders", NeurIPS 2018, equation 6.
    ///
    /// For each factor, the mutual information with the best latent minus that with the second best, divided by the
    /// factor's entropy. Mutual information is estimated with a histogram of [`BINS`] bins per latent and per
    /// continuous factor, as in Locatello et al. 2019; Chen et al. integrate over the posterior instead. With few rows
    /// a histogram overestimates it by about (bins - 1)(classes - 1) / (2 N) nats, similarly for all latents, so most
    /// of the bias cancels.
    pub fn mig(&self) -> Score {
        let bins: Vec<Labels> = self.latents.par_iter().map(|latent| Labels::binned(latent)).collect();
        let gap = |factor: &Factor| {
            let information = bins.iter().map(|bins| mutual_information(bins, &factor.labels));
            gap(information) / mutual_information(&factor.labels, &factor.labels)
        };
        Score::of(self.factors.par_iter().map(gap).collect())
    }

    /// Separated attribute predictability, 0 to 1: Kumar, Sattigeri and Balakrishnan, "Variational inference of
    /// disentangled latent concepts from unlabeled observations", ICLR 2018, section 3.
    ///
    /// For each factor, the score of the best predicting latent minus that of the second best. A continuous factor is
    /// predicted by linear regression, scored by R^2. A discrete one is predicted by thresholds on the latent, scored
    /// by balanced accuracy: the recall averaged over the values. A constant latent scores 0. Guessing scores 1 /
    /// (number of values), so a discrete factor's gap stays below 1 unless all latents but one are constant.
    ///
    /// The thresholds separate the values in the order of their means along the latent and are optimal for the given
    /// rows. They are scored on the rows they were fitted to; the paper uses separate rows.
    pub fn sap(&self) -> Score {
        let scores = |latent: &Vec<f64>| -> Vec<f64> {
            if moments(latent.iter().copied()).1 <= CONSTANT {
                return vec![0.0; self.factors.len()];
            }
            let mut order: Vec<usize> = (0..latent.len()).collect();
            order.sort_by(|&a, &b| latent[a].total_cmp(&latent[b]));
            let score = |factor: &Factor| match factor.kind {
                Kind::Continuous => squared_correlation(latent, &factor.values),
                Kind::Discrete => balanced_accuracy(latent, &order, &factor.labels),
            };
            self.factors.iter().map(score).collect()
        };
        let scores: Vec<Vec<f64>> = self.latents.par_iter().map(scores).collect();
        Score::of(
            (0..self.factors.len()).map(|factor| gap(scores.iter().map(|scores| scores[factor]))).collect(),
        )
    }
}

impl Labels {
    /// Labels by rank among the distinct values.
    fn named(values: &[f64]) -> Self {
        let mut distinct = values.to_vec();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup(); // -0 and 0 are neighbours, and equal
        let of = values.iter().map(|value| distinct.partition_point(|other| other < value)).collect();
        Self { of, count: distinct.len() }
    }

    /// Equal-width bins from the smallest to the largest value; the largest belongs to the last bin.
    fn binned(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bin = |value: f64| match (value - low) / (high - low) * BINS as f64 {
            bin if bin.is_nan() => 0, // all values are equal
            bin => (bin as usize).min(BINS - 1),
        };
        Self { of: values.iter().map(|&value| bin(value)).collect(), count: BINS }
    }
}

/// The largest minus the second largest, which is 0 if there is none.
fn gap(scores: impl Iterator<Item = f64>) -> f64 {
    let (best, next) =
        scores.fold(
            (0.0f64, 0.0f64),
            |(best, next), score| {
                if score > best { (score, best) } else { (best, next.max(score)) }
            },
        );
    best - next
}

/// Mutual information in nats; of a variable with itself, its entropy.
fn mutual_information(a: &Labels, b: &Labels) -> f64 {
    let share = 1.0 / a.of.len() as f64;
    let (mut joint, mut of_a, mut of_b) =
        (vec![0.0; a.count * b.count], vec![0.0; a.count], vec![0.0; b.count]);
    for (&a, &label) in a.of.iter().zip(&b.of) {
        joint[a * b.count + label] += share;
        of_a[a] += share;
        of_b[label] += share;
    }
    let term = |(i, &p): (usize, &f64)| match p > 0.0 {
        true => p * (p / (of_a[i / b.count] * of_b[i % b.count])).ln(),
        false => 0.0,
    };
    joint.iter().enumerate().map(term).sum()
}

/// R^2 of a linear regression, symmetric in `a` and `b`.
fn squared_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ((mean_a, var_a), (mean_b, var_b)) = (moments(a.iter().copied()), moments(b.iter().copied()));
    let products = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b));
    let covariance = products.sum::<f64>() / a.len() as f64;
    covariance * covariance / (var_a * var_b)
}

/// The best balanced accuracy of thresholds on a latent; `order` sorts it.
fn balanced_accuracy(latent: &[f64], order: &[usize], labels: &Labels) -> f64 {
    let (mut sums, mut counts) = (vec![0.0; labels.count], vec![0.0; labels.count]);
    for (&label, value) in labels.of.iter().zip(latent) {
        sums[label] += value;
        counts[label] += 1.0;
    }
    let mut classes: Vec<usize> = (0..labels.count).collect();
    classes.sort_by(|&a, &b| (sums[a] / counts[a]).total_cmp(&(sums[b] / counts[b])));
    // best[c]: the summed recall so far, if the next values are assigned to class c of the sorted classes or an
    // earlier one; equal values are assigned to one class
    let mut best = vec![0.0f64; labels.count];
    for equal in order.chunk_by(|&a, &b| latent[a] == latent[b]) {
        let mut right = vec![0.0; labels.count];
        equal.iter().for_each(|&row| right[labels.of[row]] += 1.0);
        let mut highest = 0.0f64;
        for (best, &class) in best.iter_mut().zip(&classes) {
            highest = highest.max(*best + right[class] / counts[class]);
            *best = highest;
        }
    }
    best[labels.count - 1] / labels.count as f64
}
