//! A linear classifier of feature vectors: multinomial logistic regression.
//! Read this for what "a probe agrees" means.

use rayon::prelude::*;

use super::{Result, finite, refused, rows};
use crate::linalg::dot;

/// Iterations of the fit.
const ITERATIONS: usize = 200;
/// Weight of the squared coefficients, relative to the mean loss of a row.
const RIDGE: f64 = 1e-3;
/// Iterations that estimate the largest eigenvalue.
const POWER: usize = 30;

/// A linear classifier of rows of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// a row of D + 1 coefficients for each class, the last for a constant
    weights: Vec<Vec<f64>>,
}

impl Classifier {
    /// Fits a classifier to a table of `dims` columns, row by row, whose rows have these `labels` below `classes`.
    ///
    /// It minimises the mean of `-ln p(label)` plus `RIDGE / 2` times the squared coefficients, with
    /// `p = softmax(W (x, 1))`, by accelerated gradient descent from zero. Columns should be standardised.
    ///
    /// Source: Bishop, "Pattern Recognition and Machine Learning", 2006, 4.3.4; Nesterov, "A method for solving the convex
    /// programming problem with convergence rate O(1/k^2)", 1983.
    ///
    /// # Errors
    /// If there are no rows, or a value is not finite.
    ///
    /// # Panics
    /// If the table has no whole rows, or a label is not below `classes`.
    pub fn fit(table: &[f64], labels: &[u32], dims: usize, classes: usize) -> Result<Self> {
        if labels.is_empty() {
            return refused("a classifier needs pictures of a class".into());
        }
        assert_eq!(rows("Classifier::fit", table.len(), dims), labels.len(), "a label for each row");
        finite("Classifier::fit", "table", table, dims)?;
        let inputs: Vec<Vec<f64>> = table.chunks(dims).map(|row| [row, &[1.0]].concat()).collect();
        // softmax's curvature is at most half of the inputs' second moment
        let step = 1.0 / (0.5 * largest_moment(&inputs) + RIDGE);
        let mut weights = vec![vec![0.0; dims + 1]; classes];
        let mut before = weights.clone();
        for iteration in 0..ITERATIONS {
            let momentum = iteration as f64 / (iteration as f64 + 3.0);
            let ahead = |(now, before): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                now.iter().zip(before).map(|(now, before)| now + momentum * (now - before)).collect()
            };
            let at = Self { weights: weights.iter().zip(&before).map(ahead).collect() };
            let gradient = at.gradient(&inputs, labels);
            before = weights;
            let moved = |(at, slope): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                at.iter().zip(slope).map(|(at, slope)| at - step * slope).collect()
            };
            weights = at.weights.iter().zip(&gradient).map(moved).collect();
        }
        Ok(Self { weights })
    }

    /// The gradient of the objective.
    fn gradient(&self, inputs: &[Vec<f64>], labels: &[u32]) -> Vec<Vec<f64>> {
        let scale = 1.0 / inputs.len() as f64;
        let error = |(input, &label): (&Vec<f64>, &u32)| {
            let mut errors = self.probabilities(input);
            errors[label as usize] -= 1.0;
            errors
        };
        let errors: Vec<Vec<f64>> = inputs.par_iter().zip(labels).map(error).collect();
        let of_class = |(class, weights): (usize, &Vec<f64>)| {
            let mut sum: Vec<f64> = weights.iter().map(|w| RIDGE * w).collect();
            for (input, errors) in inputs.iter().zip(&errors) {
                let error = scale * errors[class];
                sum.iter_mut().zip(input).for_each(|(sum, x)| *sum += error * x);
            }
            sum
        };
        self.weights.par_iter().enumerate().map(of_class).collect()
    }

    fn probabilities(&self, input: &[f64]) -> Vec<f64> {
        let scores: Vec<f64> = self.weights.iter().map(|row| dot(row, input)).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    }

    /// The likeliest class of a row of D numbers.
    ///
    /// # Panics
    /// If it has other than D numbers.
    pub fn predict(&self, row: &[f64]) -> u32 {
        let input = [row, &[1.0]].concat();
        assert_eq!(input.len(), self.weights[0].len(), "a row has the columns of the fit");
        let scores = self.weights.iter().map(|weights| dot(weights, &input));
        let best = scores.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a class");
        best.0 as u32
    }

    /// The share of the rows of a table whose class is predicted.
    ///
    /// # Panics
    /// As [`Classifier::predict`], or if there are no rows.
    pub fn accuracy(&self, table: &[f64], labels: &[u32]) -> f64 {
        let rows = table.chunks(table.len() / labels.len()).zip(labels);
        rows.filter(|(row, label)| self.predict(row) == **label).count() as f64 / labels.len() as f64
    }
}

/// The largest eigenvalue of the mean of `x x^T`, a little above: by the power method from a vector of ones.
fn largest_moment(inputs: &[Vec<f64>]) -> f64 {
    let mut vector = vec![1.0; inputs[0].len()];
    let mut value = 0.0;
    for _ in 0..POWER {
        let mut next = vec![0.0; vector.len()];
        for input in inputs {
            let share = dot(input, &vector) / inputs.len() as f64;
            next.iter_mut().zip(input).for_each(|(next, x)| *next += share * x);
        }
        value = dot(&next, &next).sqrt();
        vector = next.iter().map(|x| x / value).collect();
    }
    1.1 * value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns of a class: around (2, 0), (-2, 0) and (0, 3), by a fixed pattern.
    fn table() -> (Vec<f64>, Vec<u32>) {
        let centres = [[2.0, 0.0], [-2.0, 0.0], [0.0, 3.0]];
        let row = |at: usize| {
            let (class, angle) = (at % 3, 2.4 * at as f64);
            let radius = 0.2 * (at % 7) as f64;
            [centres[class][0] + radius * angle.cos(), centres[class][1] + radius * angle.sin()]
        };
        ((0..300).flat_map(row).collect(), (0..300).map(|at| at % 3).collect())
    }

    #[test]
    fn separate_classes_are_told_apart() {
        let (table, labels) = table();
        let classifier = Classifier::fit(&table, &labels, 2, 3).expect("a fit");
        assert!(classifier.accuracy(&table, &labels) == 1.0);
        assert_eq!([[3.0, -1.0], [-3.0, 0.0], [0.0, 9.0]].map(|row| classifier.predict(&row)), [0, 1, 2]);
        // labels that say nothing are right by chance alone
        let noise: Vec<u32> = (0..300).map(|at| (at / 3) % 2).collect();
        let chance = Classifier::fit(&table, &noise, 2, 2).expect("a fit").accuracy(&table, &noise);
        assert!((0.4..0.65).contains(&chance), "{chance}");
        assert!(Classifier::fit(&[], &[], 2, 3).is_err());
        assert!(Classifier::fit(&[f64::NAN, 0.0], &[0], 2, 1).is_err());
    }

    #[test]
    fn the_fit_is_at_the_minimum() {
        let (table, labels) = table();
        let classifier = Classifier::fit(&table, &labels, 2, 3).expect("a fit");
        let inputs: Vec<Vec<f64>> = table.chunks(2).map(|row| [row, &[1.0]].concat()).collect();
        let slope = classifier.gradient(&inputs, &labels).concat();
        assert!(slope.iter().all(|slope| slope.abs() < 1e-4), "{slope:?}");

        // and the gradient is that of the objective, by central differences
        let objective = |weights: &Vec<Vec<f64>>| {
            let at = Classifier { weights: weights.clone() };
            let loss = |(input, label): (&Vec<f64>, &u32)| -at.probabilities(input)[*label as usize].ln();
            let ridge: f64 = weights.iter().flatten().map(|w| w * w).sum();
            inputs.iter().zip(&labels).map(loss).sum::<f64>() / 300.0 + 0.5 * RIDGE * ridge
        };
        let at =
            Classifier { weights: vec![vec![0.3, -0.2, 0.1], vec![0.0, 0.4, -0.3], vec![-0.1, 0.2, 0.5]] };
        let gradient = at.gradient(&inputs, &labels);
        for class in 0..3 {
            for column in 0..3 {
                let moved = |by: f64| {
                    let mut weights = at.weights.clone();
                    weights[class][column] += by;
                    objective(&weights)
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((difference - gradient[class][column]).abs() < 1e-8, "{class}, {column}");
            }
        }
    }
}
