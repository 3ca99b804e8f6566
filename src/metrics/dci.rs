//! DCI: disentanglement, completeness and informativeness, from the weights of a sparse linear regression.
//! Read this to interpret the scores of `evaluate` for data with known factors.

use rayon::prelude::*;

use super::factors::{Factor, Kind};
use super::{Purpose, Result, Samples, Score, moments, refused, shuffled};

/// L1 penalties tried, on standardized latents and factors; a penalty of 1 makes all weights 0.
const PENALTIES: [f64; 9] = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
/// Convergence threshold of coordinate descent (largest change of a weight), and maximum number of rounds.
const CONVERGED: f64 = 1e-8;
const ROUNDS: usize = 5000;
/// Minimum number of rows for training, selecting the penalty and testing.
const ROWS: usize = 20;

/// Result of [`Samples::dci`].
#[derive(Debug, Clone, PartialEq)]
pub struct Dci {
    /// 0 to 1: whether each latent is used for one factor only; the mean weighted by the latents' importance
    pub disentanglement: f64,
    /// 0 to 1: whether one latent is enough for each factor
    pub completeness: Score,
    /// root mean square error of the prediction, in standard deviations of the factor: 0 is perfect, 1 is as good as
    /// predicting the mean
    pub error: Score,
    /// importance of each latent for each factor, `[dims, factors]`
    pub importance: Vec<f64>,
}

/// Result of one factor's regression: the importance of each latent, and the mean square error.
type Fit = (Vec<f64>, f64);

/// Standardized data, and the column products that coordinate descent needs.
struct Design {
    /// latents, standardized by the moments of the training rows
    latents: Vec<Vec<f64>>,
    /// mean products of latents over the training rows
    gram: Vec<f64>,
    learn: Vec<usize>,
    choose: Vec<usize>,
    test: Vec<usize>,
}

impl Samples {
    /// Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", ICLR
    /// 2018, section 2, with their Lasso.
    ///
    /// The importance of latent i for factor j is the |weight| in a linear regression of factor j on all latents, both
    /// standardized, with an L1 penalty. Eight tenths of the rows are for training, one tenth selects the penalty, and
    /// one tenth measures the error; `seed` determines the split. A discrete factor is one-hot encoded, and the
    /// importances and square errors are averaged over its values: the paper only has continuous factors. A factor that
    /// no latent helps to predict has completeness 0; disentanglement is 0 if all importances are 0. With one latent,
    /// completeness is 1 if that latent is used; with one factor, so is disentanglement.
    ///
    /// Disentanglement and completeness mean little if the error is near 1: the few weights that are left may all
    /// belong to one latent by chance. The regression is linear, so a latent that determines a factor nonlinearly gets
    /// too little importance.
    ///
    /// # Errors
    /// If there are fewer than 20 rows, or a factor is constant over the training rows.
    pub fn dci(&self, seed: u64) -> Result<Dci> {
        let count = self.latents[0].len();
        if count < ROWS {
            return refused(format!(
                "dci: {count} rows are too few to learn from and test on, which takes {ROWS}"
            ));
        }
        let design = Design::new(&self.latents, seed);
        let fits = self.factors.par_iter().enumerate().map(|(i, factor)| match design.fit_factor(factor) {
            Some(fit) => Ok(fit),
            None => {
                refused(format!("dci: factor {i} is constant in all {} training rows", design.learn.len()))
            }
        });
        let fits: Vec<Fit> = fits.collect::<Result<_>>()?;
        let of_latent = |latent: usize| fits.iter().map(|fit| fit.0[latent]).collect::<Vec<f64>>();
        let table: Vec<Vec<f64>> = (0..self.latents.len()).map(of_latent).collect();
        let total: f64 = table.iter().flatten().sum();
        let weighted = |row: &Vec<f64>| concentration(row) * row.iter().sum::<f64>();
        Ok(Dci {
            disentanglement: if total > 0.0 { table.iter().map(weighted).sum::<f64>() / total } else { 0.0 },
            completeness: Score::of(fits.iter().map(|fit| concentration(&fit.0)).collect()),
            error: Score::of(fits.iter().map(|fit| fit.1.sqrt()).collect()),
            importance: table.concat(),
        })
    }
}

/// One minus the normalized entropy of the shares: 1 if one has everything, 0 if all are equal.
fn concentration(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let term = |&share: &f64| if share > 0.0 { share / sum * (share / sum).ln() } else { 0.0 };
    match shares.len() {
        1 => 1.0,
        count => 1.0 + shares.iter().map(term).sum::<f64>() / (count as f64).ln(),
    }
}

impl Design {
    fn new(latents: &[Vec<f64>], seed: u64) -> Self {
        // shuffled, because rows may be a grid of the factors
        let mut learn = shuffled(latents[0].len(), seed, Purpose::Folds, 0);
        let tenth = learn.len() / 10;
        let test = learn.split_off(learn.len() - tenth);
        let choose = learn.split_off(learn.len() - tenth);
        // a constant latent becomes zeros
        let zeros = |latent: &Vec<f64>| vec![0.0; latent.len()];
        let latents: Vec<Vec<f64>> = latents
            .par_iter()
            .map(|latent| standardised(latent, &learn).unwrap_or_else(|| zeros(latent)))
            .collect();
        let gram = latents.par_iter().flat_map_iter(|a| latents.iter().map(|b| mean_product(a, b, &learn)));
        let gram = gram.collect();
        Self { latents, gram, learn, choose, test }
    }

    /// Fits one factor; `None` if there is nothing to predict.
    fn fit_factor(&self, factor: &Factor) -> Option<Fit> {
        let targets: Vec<Vec<f64>> = match factor.kind {
            Kind::Continuous => vec![factor.values.clone()],
            Kind::Discrete => (0..factor.labels.count)
                .map(|class| factor.labels.of.iter().map(|&label| f64::from(label == class)).collect())
                .collect(),
        };
        // a value that occurs in test rows only cannot be learnt and is omitted
        let fits: Vec<Fit> = targets
            .iter()
            .filter_map(|target| standardised(target, &self.learn))
            .map(|t| self.fit(&t))
            .collect();
        let count = fits.len() as f64;
        let importance =
            |latent: usize| fits.iter().map(|(weights, _)| weights[latent].abs()).sum::<f64>() / count;
        let importance = (0..self.latents.len()).map(importance).collect();
        (!fits.is_empty()).then(|| (importance, fits.iter().map(|fit| fit.1).sum::<f64>() / count))
    }

    /// The weights that predict the selection rows best, and their error on the test rows.
    fn fit(&self, target: &[f64]) -> Fit {
        let products: Vec<f64> =
            self.latents.iter().map(|latent| mean_product(latent, target, &self.learn)).collect();
        let mut weights = vec![0.0; self.latents.len()];
        let mut best = (self.error(&weights, target, &self.choose), weights.clone());
        for penalty in PENALTIES {
            self.descend(&mut weights, &products, penalty); // warm start from the previous penalty
            let error = self.error(&weights, target, &self.choose);
            if error < best.0 {
                best = (error, weights.clone());
            }
        }
        let error = self.error(&best.1, target, &self.test);
        (best.1, error)
    }

    /// Minimises 1/2 mean (target - latents weights)^2 + penalty sum |weights|: coordinate descent, Friedman,
    /// Hastie and Tibshirani, "Regularization paths for generalized linear models via coordinate descent", JSS
    /// 33(1), 2010, section 2, with covariance updates over the active set.
    fn descend(&self, weights: &mut [f64], products: &[f64], penalty: f64) {
        let all: Vec<usize> = (0..weights.len()).collect();
        let mut rounds = 0;
        while rounds < ROUNDS {
            // most weights are zero and stay zero: the others alone, until they rest, and then all once
            let active: Vec<usize> = all.iter().copied().filter(|&i| weights[i] != 0.0).collect();
            let mut free = self.free(&active, &active, weights, products);
            while rounds < ROUNDS && self.round(&active, weights, &mut free, penalty) >= CONVERGED {
                rounds += 1;
            }
            let mut free = self.free(&all, &active, weights, products);
            if self.round(&all, weights, &mut free, penalty) < CONVERGED {
                break;
            }
            rounds += 1;
        }
    }

    /// Mean products of the latents in `of` with what the `active` weights leave of the target.
    fn free(&self, of: &[usize], active: &[usize], weights: &[f64], products: &[f64]) -> Vec<f64> {
        let explained = |row: &[f64]| active.iter().map(|&j| row[j] * weights[j]).sum::<f64>();
        of.iter().map(|&i| products[i] - explained(self.row(i))).collect()
    }

    /// One round of coordinate descent over the weights in `of`, whose products with the rest are `free`; returns the
    /// largest change of a weight.
    fn round(&self, of: &[usize], weights: &mut [f64], free: &mut [f64], penalty: f64) -> f64 {
        let mut moved = 0.0f64;
        for (at, &i) in of.iter().enumerate() {
            let row = self.row(i);
            if row[i] == 0.0 {
                continue;
            }
            let without = free[at] + row[i] * weights[i];
            let next = without.signum() * (without.abs() - penalty).max(0.0) / row[i];
            let change = next - weights[i];
            if change != 0.0 {
                free.iter_mut().zip(of).for_each(|(free, &j)| *free -= row[j] * change);
                weights[i] = next;
                moved = moved.max(change.abs());
            }
        }
        moved
    }

    /// Mean products of latent `i` with every latent.
    fn row(&self, i: usize) -> &[f64] {
        &self.gram[i * self.latents.len()..][..self.latents.len()]
    }

    fn error(&self, weights: &[f64], target: &[f64], rows: &[usize]) -> f64 {
        let predicted = |row: usize| {
            self.latents.iter().zip(weights).map(|(latent, weight)| latent[row] * weight).sum::<f64>()
        };
        rows.iter().map(|&row| (target[row] - predicted(row)).powi(2)).sum::<f64>() / rows.len() as f64
    }
}

/// All rows, standardized by mean and variance over `learn`; `None` if they are constant there.
fn standardised(values: &[f64], learn: &[usize]) -> Option<Vec<f64>> {
    let (mean, variance) = moments(learn.iter().map(|&row| values[row]));
    (variance > 1e-12).then(|| values.iter().map(|value| (value - mean) / variance.sqrt()).collect())
}

fn mean_product(a: &[f64], b: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|&row| a[row] * b[row]).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descent_ends_where_no_weight_can_improve() {
        // correlated latents: two waves, and a mixture of both
        let wave = |step: f64| (0..200).map(|i| (step * f64::from(i)).sin()).collect::<Vec<f64>>();
        let (a, b) = (wave(0.31), wave(1.7));
        let mixture = a.iter().zip(&b).map(|(a, b)| a + 0.3 * b).collect();
        let design = Design::new(&[a.clone(), b.clone(), wave(0.33), mixture], 1);
        let target: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 2.0 * a - b).collect();
        let target = standardised(&target, &design.learn).expect("it varies");
        let products: Vec<f64> =
            design.latents.iter().map(|latent| mean_product(latent, &target, &design.learn)).collect();
        for penalty in [0.2, 0.01] {
            let mut weights = vec![0.0; 4];
            design.descend(&mut weights, &products, penalty);
            assert!(weights.iter().any(|&weight| weight != 0.0));
            for (i, gram) in design.gram.chunks_exact(4).enumerate() {
                // optimality: the gradient balances the penalty, or is at most the penalty if the weight is 0
                let explained: f64 = gram.iter().zip(&weights).map(|(gram, weight)| gram * weight).sum();
                let gradient = products[i] - explained;
                let excess = match weights[i] {
                    0.0 => (gradient.abs() - penalty).max(0.0),
                    weight => (gradient - penalty * weight.signum()).abs(),
                };
                assert!(excess < 1e-6, "penalty {penalty}, weight {i} of {weights:?}: {excess}");
            }
        }
    }
}
