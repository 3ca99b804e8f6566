//! A Gaussian for each class of the latents, with covariances that lean on those of all classes.
//! Read this for samples of a class without a flow.

use std::collections::HashMap;

use super::em::{self, Shrinkage};
use super::fit::{check_rows, floors};
use super::{Component, Mixture, mean};

/// Least number of rows of a class.
pub const MIN_OF_CLASS: usize = 10;
/// Strengths of shrinkage that are tried: the weight of the pooled covariance, in units of D + 2 rows.
const STRENGTHS: [f64; 4] = [0.1, 1.0, 10.0, 100.0];
/// The share of the diagonal in the pooled covariance. With more of it, held-out latents may be likelier, but pictures lose
/// what their parts have in common: their Frechet distance was three times as large with all of it.
const DIAGONAL: f64 = 0.1;
/// One in how many rows of a class is held out.
const EVERY: usize = 5;

/// Fits a mixture with one component for each class to `rows`, `[N, D]` latents with these `labels`, `[N]`. The weight of a
/// component is the share of its class. Rows whose label is no class are left out.
///
/// The shrinkage towards the pooled covariance is the one under which held-out rows are most likely in
/// their own class: regularized discriminant analysis (Friedman, JASA 84, 1989).
///
/// # Errors
/// If a class has too few rows, or rows are equal or not finite.
///
/// # Panics
/// If there is not one label for each row.
pub fn fit_classes(rows: &[f32], labels: &[u32], dims: usize, classes: usize) -> Result<Mixture, String> {
    assert_eq!(labels.len() * dims, rows.len(), "a label for each latent");
    let known: Vec<usize> = (0..labels.len()).filter(|&n| (labels[n] as usize) < classes).collect();
    for class in 0..classes {
        let count = known.iter().filter(|&&n| labels[n] as usize == class).count();
        if count < MIN_OF_CLASS {
            return Err(format!("class {class} has {count} latents, and {MIN_OF_CLASS} are needed"));
        }
    }
    let gather = |which: &[usize]| -> Vec<f32> {
        which.iter().flat_map(|&n| &rows[n * dims..][..dims]).copied().collect()
    };
    let all = gather(&known);
    check_rows(&all, dims)?;
    let floor = floors(&all, dims);
    let fit = |which: &[usize], worth: f64| {
        let mut responsibilities = vec![0.0; which.len() * classes];
        which
            .iter()
            .enumerate()
            .for_each(|(at, &n)| responsibilities[at * classes + labels[n] as usize] = 1.0);
        let shrinkage = Shrinkage { rows: worth * (dims + 2) as f64, diagonal: DIAGONAL, floor: &floor };
        em::maximise(&gather(which), dims, &responsibilities, shrinkage)
    };
    let (held, train) = split(&known, labels);
    let mut best: Option<(f64, f64)> = None;
    for strength in STRENGTHS {
        let mixture = fit(&train, strength)?;
        // class by class: each part has only the density of its own component
        let of_class = |(class, component): (usize, &Component)| -> Vec<f64> {
            let own: Vec<usize> = held.iter().copied().filter(|&n| labels[n] as usize == class).collect();
            let alone = Component { weight: 1.0, ..component.clone() };
            Mixture { dims, components: vec![alone] }.log_densities(&gather(&own))
        };
        let density = mean(&mixture.components.iter().enumerate().flat_map(of_class).collect::<Vec<_>>());
        if best.is_none_or(|(most, _)| density > most) {
            best = Some((density, strength));
        }
    }
    let (_, strength) = best.ok_or("no strength of shrinkage")?;
    fit(&known, strength)
}

/// Every fifth row of each class, and the others.
fn split(known: &[usize], labels: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let mut seen: HashMap<u32, usize> = HashMap::new();
    known.iter().copied().partition(|&n| {
        let count = seen.entry(labels[n]).or_default();
        *count += 1;
        count.is_multiple_of(EVERY)
    })
}
