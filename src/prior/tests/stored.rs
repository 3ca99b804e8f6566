//! Tests of storing and sampling.

use super::super::{Component, Mixture};
use super::{covariance, draw, planted};

/// Means and covariances of 40,000 samples, within five standard errors (covariances with those of a Gaussian: the
/// mixture's tails are lighter), and the shares of the components.
#[test]
fn samples_have_the_moments_of_the_prior() {
    let prior = planted();
    let count = 40_000;
    let rows = draw(&prior, count, 3);
    let n = count as f64;
    let axis = |i: usize| rows.iter().skip(i).step_by(4).map(|&z| f64::from(z));
    let (mean, whole) = prior.moments();
    let mut worst: f64 = 0.0;
    for i in 0..4 {
        let at = |i, j| whole[super::packed(i, j)];
        let got = axis(i).sum::<f64>() / n;
        worst = worst.max((got - mean[i]).abs() / (at(i, i) / n).sqrt());
        for j in 0..=i {
            let products = axis(i).zip(axis(j)).map(|(a, b)| (a - mean[i]) * (b - mean[j]));
            let error = ((at(i, i) * at(j, j) + at(i, j).powi(2)) / n).sqrt();
            worst = worst.max((products.sum::<f64>() / n - at(i, j)).abs() / error);
        }
    }
    println!("moments of the whole: worst {worst:.2} standard errors");
    assert!(worst < 5.0);
    for (k, component) in prior.components.iter().enumerate() {
        let own = |z: &&[f32]| {
            let far = |c: &Component| -> f64 {
                z.iter().zip(&c.mean).map(|(&z, m)| (f64::from(z) - m).powi(2)).sum()
            };
            prior.components.iter().all(|c| far(component) <= far(c))
        };
        let share = rows.chunks(4).filter(own).count() as f64 / n;
        println!("component {k}: weight {}, nearest to {share:.4} of the samples", component.weight);
        assert!((share - component.weight).abs() < 0.02, "some samples are nearer to another mean");
    }
}

/// A single component: its own mean and covariance.
#[test]
fn samples_of_a_component_have_its_covariance() {
    let mut one = planted().components.swap_remove(0);
    one.weight = 1.0;
    let prior = Mixture { dims: 4, components: vec![one] };
    let n = 40_000.0;
    let rows = draw(&prior, 40_000, 4);
    let c = &prior.components[0];
    let axis = |i: usize| rows.iter().skip(i).step_by(4).map(move |&z| f64::from(z) - c.mean[i]);
    let mut worst: f64 = 0.0;
    for (i, j) in (0..16).map(|at| (at / 4, at % 4)) {
        let got = axis(i).zip(axis(j)).map(|(a, b)| a * b).sum::<f64>() / n;
        let (v, w) = (covariance(c, i, i) * covariance(c, j, j), covariance(c, i, j));
        worst = worst.max((got - w).abs() / ((v + w * w) / n).sqrt());
    }
    println!("covariance of a component: worst {worst:.2} standard errors");
    assert!(worst < 5.0);
}

#[test]
fn a_sample_depends_on_its_number_and_the_temperature_alone() {
    let prior = planted();
    assert_eq!(prior.sample(5, 17, 1.0), prior.sample(5, 17, 1.0));
    assert_ne!(prior.sample(5, 17, 1.0), prior.sample(5, 18, 1.0));
    assert_ne!(prior.sample(5, 17, 1.0), prior.sample(6, 17, 1.0));
    // fixed forever: a stored seed gives the same picture in every version
    let first = prior.sample(0, 0, 1.0);
    println!("sample 0 of seed 0: {first:?}");
    let want = [-1.683_385_3, 2.514_516_8, 0.176_030_96, 0.546_925_4];
    for (got, want) in first.iter().zip(want) {
        assert!((got - want).abs() < 1e-5, "{first:?}");
    }
    for index in 0..50 {
        let [mean, one, half] = [0.0, 1.0, 0.5].map(|t| prior.sample(5, index, t));
        let is_mean = |c: &Component| c.mean.iter().zip(&mean).all(|(m, z)| *m as f32 == *z);
        assert!(prior.components.iter().any(is_mean), "temperature 0 gives a mean: {mean:?}");
        for ((m, one), half) in mean.iter().zip(one).zip(half) {
            assert!((m + 0.5 * (one - m) - half).abs() < 1e-5, "temperature scales the deviation");
        }
    }
}

#[test]
fn storing_changes_nothing() {
    let prior = planted();
    let text = serde_json::to_string(&prior).expect("JSON");
    let read: Mixture = serde_json::from_str(&text).expect("a mixture");
    assert_eq!(read.checked().expect("good"), prior);
}

#[test]
fn damaged_priors_are_refused_with_the_reason() {
    type Damage = fn(&mut Mixture);
    let cases: [(&str, Damage); 11] = [
        ("0 dimensions", |m| m.dims = 0),
        ("1 to 65536", |m| m.dims = usize::MAX),
        ("without components", |m| m.components.clear()),
        ("mean has 3 numbers, not 4", |m| m.components[1].mean.truncate(3)),
        ("factor has 11 numbers, not 10", |m| m.components[2].factor.push(0.0)),
        ("component 1 of the prior: its weight is -0.3", |m| m.components[1].weight = -0.3),
        ("its weight is NaN", |m| m.components[0].weight = f64::NAN),
        ("sum to 1.1", |m| m.components[0].weight = 0.3),
        ("component 2 of the prior: a number is not finite", |m| m.components[2].mean[0] = f64::INFINITY),
        ("a number is not finite", |m| m.components[0].factor[1] = f64::NAN),
        ("element 3 of its factor's diagonal is not positive", |m| m.components[0].factor[9] = 0.0),
    ];
    for (part, damage) in cases {
        let mut prior = planted();
        damage(&mut prior);
        let reason = prior.checked().expect_err(part);
        println!("{reason}");
        assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
    }
}

#[test]
fn infinitely_far_is_a_density_of_zero() {
    let mut prior = planted();
    prior.components.iter_mut().for_each(|c| c.factor[0] = 1e-200);
    assert_eq!(prior.log_density(&[f32::MAX; 4]), f64::NEG_INFINITY);
}
