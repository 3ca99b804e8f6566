//! Tests of the prior: against scikit-learn, against known mixtures, and with invalid input.

mod classes;
mod fitted;
mod golden;
mod parts;
mod stored;

use super::kmeans_init::Stream;
use super::linalg::packed;
use super::{Component, Mixture};

/// `[N, D]` standard normals times `scale`, plus `shift`.
fn normals(count: usize, dims: usize, scale: f64, shift: f64) -> Vec<f32> {
    let mut stream = Stream::new(11, 99, 0);
    (0..count * dims).map(|_| (shift + scale * stream.normal()) as f32).collect()
}

/// `[i][j]` of a component's covariance.
fn covariance(component: &Component, i: usize, j: usize) -> f64 {
    let l = |i: usize, m: usize| component.factor[packed(i, m)];
    (0..=i.min(j)).map(|m| l(i, m) * l(j, m)).sum()
}

/// Three components in four dimensions, well separated.
fn planted() -> Mixture {
    let component = |weight, mean: [f64; 4], factor: [f64; 10]| Component {
        weight,
        mean: mean.to_vec(),
        factor: factor.to_vec(),
    };
    let components = vec![
        component(0.2, [3.0, 0.0, -1.0, 1.0], [0.8, 0.3, 0.6, 0.0, -0.2, 0.7, 0.1, 0.0, 0.2, 0.5]),
        component(0.3, [-2.0, 2.0, 1.0, 0.0], [0.5, 0.0, 0.9, -0.4, 0.2, 0.6, 0.0, 0.3, 0.0, 0.8]),
        component(0.5, [0.0, -3.0, 0.0, -1.0], [0.9, -0.3, 0.7, 0.2, 0.1, 0.5, 0.3, 0.0, -0.3, 0.6]),
    ];
    Mixture { dims: 4, components }
}

fn draw(prior: &Mixture, count: u64, seed: u64) -> Vec<f32> {
    (0..count).flat_map(|index| prior.sample(seed, index, 1.0)).collect()
}
