//! Comparison with scikit-learn's values, written by tools/make_mixture.py.

use serde::Deserialize;

use super::super::em::{Shrinkage, expect, ledoit_wolf, maximise, run};
use super::super::linalg::packed;
use super::super::{Component, Mixture};
use super::covariance;

#[derive(Deserialize)]
struct Golden {
    dims: usize,
    rows: Vec<f32>,
    ml: Moments,
    ledoit_wolf: Shrunk,
    responsibilities: Vec<f64>,
    step: Moments,
    densities: Vec<f64>,
    mean_density: f64,
    posterior: Vec<f64>,
    later: Moments,
    principal: super::super::Principal,
}

#[derive(Deserialize)]
struct Moments {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    covariances: Vec<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Shrunk {
    covariance: Vec<Vec<f64>>,
    shrinkage: f64,
}

const NONE: Shrinkage<'_> = Shrinkage { rows: 0.0, diagonal: 1.0, floor: &[0.0; 3] };

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/fixtures/mixture.json")).expect("the fixture")
}

/// The largest difference; asserts equal lengths.
fn worst(what: &str, got: impl IntoIterator<Item = f64>, want: impl IntoIterator<Item = f64>) -> f64 {
    let (got, want): (Vec<f64>, Vec<f64>) = (got.into_iter().collect(), want.into_iter().collect());
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: {} values, worst difference {worst:.1e}", got.len());
    assert!(worst < 1e-9, "{what}: {worst:e}");
    worst
}

fn compare(what: &str, got: &Mixture, want: &Moments) {
    let dims = got.dims;
    let square = |c: &Component| -> Vec<f64> {
        (0..dims * dims).map(|at| covariance(c, at / dims, at % dims)).collect()
    };
    worst(&format!("{what}, weights"), got.components.iter().map(|c| c.weight), want.weights.clone());
    worst(&format!("{what}, means"), got.components.iter().flat_map(|c| c.mean.clone()), want.means.concat());
    let covariances = got.components.iter().flat_map(square);
    worst(&format!("{what}, covariances"), covariances, want.covariances.concat().concat());
}

#[test]
fn one_gaussian_is_scikit_learns() {
    let g = golden();
    let ones = vec![1.0; g.rows.len() / g.dims];
    compare("ML", &maximise(&g.rows, g.dims, &ones, NONE).expect("ML"), &g.ml);
    let (_, shrunk, shrinkage) = ledoit_wolf(&g.rows, g.dims);
    worst("Ledoit-Wolf shrinkage", [shrinkage], [g.ledoit_wolf.shrinkage]);
    let want = &g.ledoit_wolf.covariance;
    let lower = (0..g.dims).flat_map(|i| (0..=i).map(move |j| want[i][j]));
    worst("Ledoit-Wolf covariance", shrunk, lower);
}

#[test]
fn the_steps_of_em_are_scikit_learns() {
    let g = golden();
    let step = maximise(&g.rows, g.dims, &g.responsibilities, NONE).expect("a step");
    compare("M-step", &step, &g.step);
    let mut posterior = Vec::new();
    let mean = expect(&step, &g.rows, &mut posterior);
    worst("E-step", posterior, g.posterior);
    worst("mean log density", [mean, step.mean_log_density(&g.rows)], [g.mean_density; 2]);
    worst("log densities", g.rows.chunks(g.dims).map(|z| step.log_density(z)), g.densities.clone());
    worst("log densities together", step.log_densities(&g.rows), g.densities);
    compare("five iterations", &run(step, &g.rows, NONE, 5, 0.0).expect("EM").mixture, &g.later);
}

/// `(n_k S_k + v T) / (n_k + v)`, written out over full matrices from scikit-learn's `S_k`.
#[test]
fn components_are_shrunk_towards_the_pooled_covariance() {
    let g = golden();
    let count = (g.rows.len() / g.dims) as f64;
    let sizes: Vec<f64> = g.step.weights.iter().map(|w| w * count).collect();
    let pooled = |i: usize, j: usize| -> f64 {
        sizes.iter().zip(&g.step.covariances).map(|(n, s)| n * s[i][j]).sum::<f64>() / count
    };
    let floor = [pooled(0, 0) + 1.0, pooled(1, 1) - 1.0, 0.0]; // matters in the first dimension
    let each = || (0..g.dims).flat_map(|i| (0..g.dims).map(move |j| (i, j)));
    for (v, diagonal) in [(7.0, 1.0), (7.0, 0.25)] {
        let shrinkage = Shrinkage { rows: v, diagonal, floor: &floor };
        let got = maximise(&g.rows, g.dims, &g.responsibilities, shrinkage).expect("a step");
        let target = |i: usize, j: usize| {
            if i == j { pooled(i, i).max(floor[i]) } else { (1.0 - diagonal) * pooled(i, j) }
        };
        for (component, (n, s)) in got.components.iter().zip(sizes.iter().zip(&g.step.covariances)) {
            let want = each().map(|(i, j)| (n * s[i][j] + v * target(i, j)) / (n + v));
            worst("shrunk covariance", each().map(|(i, j)| covariance(component, i, j)), want);
        }
    }
}

#[test]
fn principal_axes_are_numpys() {
    let g = golden();
    let step = maximise(&g.rows, g.dims, &g.responsibilities, NONE).expect("a step");
    let got = step.principal().expect("axes");
    worst("overall mean", got.mean, g.principal.mean);
    worst("eigenvalues", got.values, g.principal.values);
    worst("eigenvectors", got.vectors.concat(), g.principal.vectors.concat());
}

/// Three components; one is worth 0.8 of a row, one is worth 0.
#[test]
fn components_worth_less_than_a_row_are_dropped() {
    let g = golden();
    let three: Vec<f64> = (0..40).flat_map(|_| [0.98, 0.02, 0.0]).collect();
    let got = maximise(&g.rows, g.dims, &three, NONE).expect("a step");
    let one = maximise(&g.rows, g.dims, &[1.0; 40], NONE).expect("a step");
    assert_eq!(got.components.len(), 1);
    assert_eq!(got.components[0].weight, 1.0);
    worst("the mean that is left", got.components[0].mean.clone(), one.components[0].mean.clone());
}

/// In 40 dimensions: the axes are orthonormal and reproduce the covariance.
#[test]
fn principal_axes_rebuild_the_covariance() {
    let dims = 40;
    let rows = super::normals(60, dims, 1.5, 0.3);
    let ones = vec![1.0; 60];
    let prior =
        maximise(&rows, dims, &ones, Shrinkage { rows: 1.0, diagonal: 0.5, floor: &[1e-6; 40] }).expect("ML");
    let axes = prior.principal().expect("axes");
    assert!(axes.values.is_sorted_by(|a, b| a >= b), "largest first");
    for axis in &axes.vectors {
        let most = |a: f64, b: &f64| if b.abs() > a.abs() { *b } else { a };
        assert!(axis.iter().fold(0.0, most) > 0.0, "the largest element is positive");
    }
    let sum = |a: &dyn Fn(usize) -> f64| (0..dims).map(a).sum::<f64>();
    let each = || (0..dims).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let v = &axes.vectors;
    worst(
        "products of axes",
        each().map(|(i, j)| sum(&|d| v[i][d] * v[j][d])),
        each().map(|(i, j)| f64::from(i == j)),
    );
    let rebuilt = each().map(|(i, j)| sum(&|a| axes.values[a] * v[a][i] * v[a][j]));
    worst("rebuilt covariance", rebuilt, each().map(|(i, j)| covariance(&prior.components[0], i, j)));
    assert_eq!(packed(dims, 0), prior.components[0].factor.len());
}
