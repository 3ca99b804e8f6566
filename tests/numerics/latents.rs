//! Active units, the aggregate posterior and the importance weighted bound.

use wgvae::metrics::{active_units, aggregate_mismatch, iwae_bound};

use crate::formulas::{normal, table};
use crate::{close, panic_of};

#[test]
fn units_are_active_above_a_variance_of_a_hundredth() {
    // variances of 0, 0.0081, 0.0121 and 25, the second far from 0
    let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let mu: Vec<f64> =
        (0..50).flat_map(|i| [3.0, 1e4 + 0.09 * sign(i), 0.11 * sign(i), 5.0 * sign(i)]).collect();
    assert_eq!(active_units(&mu, 4), Ok(2));
    assert_eq!(active_units(&[1.0, 2.0], 2), Ok(0));
}

#[test]
fn a_posterior_like_the_prior_has_no_mismatch() {
    // means of +-a with variances of 1 - a^2: moments of N(0, I)
    let mu: Vec<f64> =
        (0..64).flat_map(|i| [0, 1, 2].map(|bit| if i >> bit & 1 == 1 { 0.6 } else { -0.6 })).collect();
    let got = aggregate_mismatch(&mu, &vec![0.64; mu.len()], 3).unwrap();
    close(got.kl, 0.0, 1e-12);
    close(got.largest_mean, 0.0, 1e-12);
    close(got.deviations.0, 1.0, 1e-12);
    close(got.deviations.1, 1.0, 1e-12);
}

#[test]
fn mismatch_is_the_closed_form() {
    // one dimension: (s^2 + m^2 - 1 - ln s^2) / 2
    let got = aggregate_mismatch(&[-1.5, -0.5], &[0.25, 0.75], 1).unwrap();
    close(got.kl, 0.5 * (0.75 + 1.0 - 1.0 - 0.75f64.ln()), 1e-12);
    close(got.largest_mean, 1.0, 1e-12);
    // correlated dimensions of variance 1: -ln(1 - r^2) / 2, which dimension by dimension would be 0
    let mu: Vec<f64> = [0.6, 0.6, -0.6, -0.6].repeat(5);
    close(aggregate_mismatch(&mu, &[0.64; 20], 2).unwrap().kl, -0.5 * (1.0 - 0.36f64 * 0.36).ln(), 1e-12);
}

#[test]
fn mismatch_is_that_of_numpy() {
    let (mu, factors) = table();
    let var: Vec<f64> = (0..mu.len()).map(|i| 0.1 + factors[i / 4 * 2] * (i % 4 + 1) as f64).collect();
    let got = aggregate_mismatch(&mu, &var, 4).unwrap();
    close(got.kl, 4.135906675925, 1e-9);
    close(got.largest_mean, 2.248720276110, 1e-9);
    close(got.deviations.0, 0.824891228460, 1e-9);
    close(got.deviations.1, 2.255594200540, 1e-9);
}

#[test]
fn bound_is_the_logarithm_of_the_mean_weight() {
    close(iwae_bound(&[2f64.ln(), 4f64.ln(), 0.0]).unwrap(), (7.0f64 / 3.0).ln(), 1e-12);
    assert_eq!(iwae_bound(&[-12345.5]), Ok(-12345.5));
    // far outside the range of exp
    for offset in [-1e5, 1e5] {
        close(iwae_bound(&[offset, offset + 3f64.ln()]).unwrap(), offset + 2f64.ln(), 1e-9);
    }
    close(iwae_bound(&[f64::NEG_INFINITY, 1.0]).unwrap(), 1.0 - 2f64.ln(), 1e-12);
    assert_eq!(iwae_bound(&[f64::NEG_INFINITY; 2]), Ok(f64::NEG_INFINITY));
    // at least the ELBO, and near m + s^2 / 2 for log weights N(m, s^2)
    let weights: Vec<f64> = (0..20000).map(|i| 0.5 * normal(8, i) - 70.0).collect();
    close(iwae_bound(&weights).unwrap(), -70.0 + 0.125, 0.02);
}

#[test]
fn shapes_and_values_are_checked() {
    assert!(panic_of(|| active_units(&[1.0; 7], 3)).contains("active_units: 7 values are not rows of 3"));
    assert!(panic_of(|| active_units(&[], 3)).contains("active_units: 0 values"));
    assert!(panic_of(|| active_units(&[1.0], 0)).contains("rows of 0"));
    let text = panic_of(|| aggregate_mismatch(&[1.0; 6], &[1.0; 4], 2));
    assert!(text.contains("aggregate_mismatch: 6 means and 4 variances"), "{text}");
    assert!(panic_of(|| iwae_bound(&[])).contains("iwae_bound: no log weights"));
    let reason = |mu: &[f64], var: &[f64]| aggregate_mismatch(mu, var, 2).unwrap_err().to_string();
    assert!(reason(&[0.0, 1.0, f64::NAN, 0.0], &[1.0; 4]).contains("the mean of row 1, dimension 0 is NaN"));
    assert!(reason(&[0.0; 4], &[1.0, 1.0, 1.0, 0.0]).contains("the variance of row 1, dimension 1 is 0"));
    assert!(reason(&[0.0; 4], &[1.0, f64::INFINITY, 1.0, 1.0]).contains("row 0, dimension 1 is inf"));
    assert!(reason(&[1e9, 1e9, -1e9, -1e9], &[1e-9; 4]).contains("singular"));
    assert!(active_units(&[f64::NAN], 1).is_err());
    assert!(iwae_bound(&[0.0, f64::NAN]).unwrap_err().to_string().contains("log weight 1 is NaN"));
    assert!(iwae_bound(&[f64::INFINITY]).is_err());
}
