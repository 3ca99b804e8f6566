//! Tests of `fit` as a whole.

use super::super::{Candidate, Fit, Mixture, Settings, fit};
use super::{covariance, draw, normals, planted};

fn fitted(rows: &[f32], dims: usize, settings: &Settings) -> Result<Fit, String> {
    let mut shown = Vec::new();
    let result = fit(rows, dims, settings, &mut |c: &Candidate| shown.push(c.clone()));
    if let Ok(fit) = &result {
        assert_eq!(fit.candidates, shown, "progress shows every candidate");
        let prior = fit.prior.clone().checked().expect("a valid prior");
        assert!(prior.mean_log_density(rows).is_finite());
        assert!(prior.sample(0, 0, 1.0).iter().all(|z| z.is_finite()));
        assert_eq!(prior.principal().expect("axes").values.len(), dims);
    }
    result
}

fn show(fit: &Fit) {
    println!("N(0, I): {:.4}", fit.standard_normal);
    for (at, c) in fit.candidates.iter().enumerate() {
        println!("{c:?}{}", if at == fit.chosen { "  <- chosen" } else { "" });
    }
}

#[test]
fn a_planted_mixture_is_recovered() {
    let truth = planted();
    let rows = draw(&truth, 3000, 1);
    let settings = Settings { components: (1..=6).collect(), ..Settings::default() };
    let fit = fitted(&rows, 4, &settings).expect("a fit");
    show(&fit);
    assert_eq!(fit.candidates[fit.chosen].components, 3);
    assert_eq!(fit.prior.components.len(), 3);
    assert!(fit.candidates[2].shrinkage.is_some_and(|rows| rows < 10.0), "800 rows each need little");
    let (mut weight, mut mean, mut worst) = (0.0f64, 0.0f64, 0.0f64);
    for want in &truth.components {
        let far = |mean: &[f64]| -> f64 { mean.iter().zip(&want.mean).map(|(a, b)| (a - b).powi(2)).sum() };
        let nearest = fit.prior.components.iter().min_by(|a, b| far(&a.mean).total_cmp(&far(&b.mean)));
        let got = nearest.expect("components");
        weight = weight.max((got.weight - want.weight).abs());
        for i in 0..4 {
            mean = mean.max((got.mean[i] - want.mean[i]).abs());
            for j in 0..=i {
                worst = worst.max((covariance(got, i, j) - covariance(want, i, j)).abs());
            }
        }
    }
    println!("worst errors: weights {weight:.4}, means {mean:.4}, covariances {worst:.4}");
    assert!(weight < 0.03 && mean < 0.1);
    // variances up to 0.97, and 600 rows or more: a standard error is at most 0.97 sqrt(2 / 600) = 0.056
    assert!(worst < 0.15);
}

/// The result for a number of components does not depend on the order of the list or its other entries.
#[test]
fn the_same_seed_gives_the_same_fit() {
    let rows = draw(&planted(), 400, 2);
    let settings = Settings { components: vec![1, 2, 3, 4], ..Settings::default() };
    let one = fitted(&rows, 4, &settings).expect("a fit");
    assert_eq!(one, fitted(&rows, 4, &settings).expect("a fit"));
    let turned = Settings { components: vec![4, 3, 3, 2, 1], ..settings.clone() };
    assert_eq!(one, fitted(&rows, 4, &turned).expect("a fit"));
    let fewer = fitted(&rows, 4, &Settings { components: vec![3, 4], ..settings.clone() }).expect("a fit");
    assert_eq!(fewer.candidates, one.candidates[2..]);
    // a single Gaussian has no starts: only the split can differ
    let other = fitted(&rows, 4, &Settings { seed: 1, ..with_components(&[1]) }).expect("a fit");
    assert_ne!(one.candidates[0], other.candidates[0], "another seed holds other rows out");
}

#[test]
fn few_rows_of_many_dimensions_give_a_positive_definite_prior() {
    let rows = normals(50, 128, 0.5, 2.0);
    let fit = fitted(&rows, 128, &Settings::default()).expect("a fit");
    show(&fit);
    let best = fit.candidates[fit.chosen].held_out.expect("was fitted");
    assert!(best.is_finite() && best > fit.standard_normal + 100.0);
    // the true density, N(2, 0.5^2 I): the best possible up to noise of the few held-out rows
    let truth = -128.0 * (0.5 + 0.5f64.ln() + 0.5 * std::f64::consts::TAU.ln());
    println!("the density drawn from: {truth:.2}");
    assert!(best < truth + 10.0);
    assert_eq!(fit.candidates[1].shrinkage, Some(1300.0), "20 rows each need the most");
    let refused = |c: &&Candidate| c.refused.as_ref().is_some_and(|why| why.contains("too few"));
    assert_eq!(fit.candidates.iter().filter(refused).count(), 3, "8, 16 and 32 of 40 rows");
    assert!(fit.candidates[2].held_out.is_some_and(f64::is_finite), "4 components of 10 rows each");
}

/// Many rows of a single Gaussian: one component is chosen although more are allowed.
#[test]
fn one_gaussian_stays_one() {
    let rows = normals(1000, 6, 1.0, 0.0);
    let fit = fitted(&rows, 6, &Settings::default()).expect("a fit");
    show(&fit);
    assert_eq!(fit.candidates[fit.chosen].components, 1);
    let best = fit.candidates[0].held_out.expect("was fitted");
    assert!((best - fit.standard_normal).abs() < 0.1, "rows of N(0, I)");
}

/// Units do not matter to a mixture: scaling by exact powers of two changes only the last bits.
#[test]
fn units_do_not_matter_to_a_mixture() {
    let rows = draw(&planted(), 1000, 7);
    let units = [1.0, 32.0, 1.0, 1.0 / 32.0];
    let scaled: Vec<f32> = rows.iter().enumerate().map(|(at, z)| z * units[at % 4]).collect();
    let [a, b] = [&rows, &scaled].map(|rows| fitted(rows, 4, &with_components(&[3])).expect("a fit"));
    let mut worst: f64 = 0.0;
    for (a, b) in a.prior.components.iter().zip(&b.prior.components) {
        worst = worst.max((a.weight - b.weight).abs());
        for (i, unit) in units.map(f64::from).into_iter().enumerate() {
            worst = worst.max((a.mean[i] - b.mean[i] / unit).abs());
            worst = worst.max((covariance(a, i, i).sqrt() - covariance(b, i, i).sqrt() / unit).abs());
        }
    }
    println!("worst difference {worst:.1e}");
    assert!(worst < 1e-9);
}

#[test]
fn rows_that_cannot_be_fitted_are_refused_with_the_reason() {
    let good = normals(20, 3, 1.0, 0.0);
    let with = |at: usize, value: f32| {
        let mut rows = good.clone();
        rows[at] = value;
        rows
    };
    let plain = Settings::default();
    let cases = [
        ("at least 3 latents, not 0", vec![], 3, plain.clone()),
        ("at least 3 latents, not 1", good[..3].to_vec(), 3, plain.clone()),
        ("at least 3 latents, not 2", good[..6].to_vec(), 3, plain.clone()),
        ("latents with 7 dimensions", good.clone(), 7, plain.clone()),
        ("latents with 0 dimensions", good.clone(), 0, plain.clone()),
        ("latent 3 is not finite in dimension 1", with(10, f32::NAN), 3, plain.clone()),
        ("latent 19 is not finite in dimension 2", with(59, f32::NEG_INFINITY), 3, plain.clone()),
        ("all 20 latents are equal", [1.1, -2.3, 0.7].repeat(20), 3, plain.clone()),
        ("16: 16 latents to fit to are too few", good.clone(), 3, with_components(&[16])),
        ("numbers above 0", good.clone(), 3, with_components(&[])),
        ("numbers above 0", good.clone(), 3, with_components(&[2, 0])),
        ("held-out share", good.clone(), 3, Settings { held_out: 1.0, ..plain.clone() }),
        ("held-out share", good.clone(), 3, Settings { held_out: f64::NAN, ..plain.clone() }),
        ("restarts", good.clone(), 3, Settings { restarts: 0, ..plain.clone() }),
        ("tolerance", good.clone(), 3, Settings { tolerance: f64::INFINITY, ..plain }),
    ];
    for (part, rows, dims, settings) in cases {
        let reason = fitted(&rows, dims, &settings).expect_err(part);
        println!("{reason}");
        assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
    }
}

fn with_components(components: &[usize]) -> Settings {
    Settings { components: components.to_vec(), ..Settings::default() }
}

#[test]
fn poor_rows_give_a_valid_prior() {
    let good = normals(60, 3, 1.0, 0.0);
    let constant: Vec<f32> = good.chunks(3).flat_map(|row| [row[0], 0.7, row[2]]).collect();
    let repeated: Vec<f32> = good.chunks(3).flat_map(|row| [row[0], row[0], row[2]]).collect();
    let two_points: Vec<f32> = [1.0, 2.0, 3.0, -1.0, 0.0, 1.0].repeat(30);
    let outlier: Vec<f32> = good.iter().copied().chain([1e6; 3]).collect();
    let tiny: Vec<f32> = good.iter().map(|z| z * 1e-30).collect();
    let huge: Vec<f32> = good.iter().map(|z| z * 1e30).collect();
    let cases = [
        ("a constant dimension", constant),
        ("a dimension twice", repeated),
        ("two points", two_points),
        ("an outlier", outlier),
        ("tiny values", tiny),
        ("huge values", huge),
        ("three rows", good[..9].to_vec()),
    ];
    for (what, rows) in cases {
        for settings in [Settings::default(), with_components(&[1]), with_components(&[2, 3])] {
            match fitted(&rows, 3, &settings) {
                Ok(fit) => {
                    println!("{what}: {:?}", fit.candidates[fit.chosen]);
                    assert!(fit.candidates[fit.chosen].held_out.is_some_and(f64::is_finite), "{what}");
                }
                Err(reason) => {
                    println!("{what}: {reason}");
                    assert!(what == "three rows" && settings.components == [2, 3], "{what}: {reason}");
                }
            }
        }
    }
}

/// Rows at two distinct points: k-means++ finds no third centre, so the mixture has two components.
#[test]
fn components_without_rows_are_left_out() {
    let rows: Vec<f32> = [1.0, 2.0, 3.0, -1.0, 0.0, 1.0].repeat(50);
    let fit = fitted(&rows, 3, &with_components(&[4])).expect("a fit");
    show(&fit);
    assert_eq!((fit.candidates[0].components, fit.candidates[0].kept), (4, 2));
    let prior: &Mixture = &fit.prior;
    assert!(prior.components.iter().all(|c| (c.weight - 0.5).abs() < 1e-9));
}
