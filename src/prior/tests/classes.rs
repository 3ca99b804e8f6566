//! Tests of the Gaussians of classes.

use super::super::{Mixture, fit_classes};
use super::{draw, planted};

/// Latents of a planted mixture with the component of each as its label.
fn labelled(truth: &Mixture, each: u64) -> (Vec<f32>, Vec<u32>) {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for index in 0..each {
        for class in 0..truth.components.len() {
            rows.extend(truth.sample_of(class, 3, index, 1.0));
            labels.push(class as u32);
        }
    }
    (rows, labels)
}

#[test]
fn classes_get_their_own_gaussians() {
    let truth = planted();
    let (rows, mut labels) = labelled(&truth, 2000);
    let fit = fit_classes(&rows, &labels, truth.dims, 3).expect("a fit").checked().expect("valid");
    for (got, want) in fit.components.iter().zip(&truth.components) {
        assert!((got.weight - 1.0 / 3.0).abs() < 1e-12, "{}", got.weight);
        for (a, b) in got.mean.iter().zip(&want.mean).chain(got.factor.iter().zip(&want.factor)) {
            assert!((a - b).abs() < 0.15, "{a} is not {b}");
        }
    }
    // the held-out latents of a class are likelier there than under the Gaussian of all
    let own = truth.sample_of(1, 9, 0, 0.5);
    let mean_of_others = truth.sample_of(2, 9, 0, 0.0);
    let alone = |class: usize| Mixture { dims: truth.dims, components: vec![fit.components[class].clone()] };
    assert!(alone(1).log_density(&own) > alone(1).log_density(&mean_of_others));

    // rows without a class are left out; a class with few rows is refused
    labels[0] = u32::MAX;
    assert!(fit_classes(&rows, &labels, truth.dims, 3).is_ok());
    let error = fit_classes(&rows, &labels, truth.dims, 4).expect_err("no rows of class 3");
    assert!(error.contains("class 3 has 0"), "{error}");
}

#[test]
fn few_latents_of_many_dimensions_have_a_density() {
    let dims = 40;
    let rows: Vec<f32> = draw(&planted(), 30 * 10, 4);
    let labels: Vec<u32> = (0..30).map(|n| n % 2).collect();
    let fit = fit_classes(&rows, &labels, dims, 2).expect("a fit").checked().expect("positive definite");
    assert!(fit.sample_of(1, 0, 0, 1.0).iter().all(|z| z.is_finite()));
    assert_ne!(fit.sample_of(0, 0, 0, 0.0), fit.sample_of(1, 0, 0, 0.0));
}
