//! The Frechet distance, by closed forms of Gaussians.

use wgvae::metrics::frechet_distance;

use crate::formulas::normal;
use crate::{close, panic_of};

/// Rows with exactly this mean and the covariance `diag(deviations^2)`, divided by N - 1: pairs of `mean +- step` along
/// each axis, in the basis that `turn` makes of the axes.
fn exact(mean: &[f64], deviations: &[f64], turn: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let dims = mean.len();
    let scale = ((2 * dims - 1) as f64 / 2.0).sqrt();
    let row = |at: usize| {
        let mut step = vec![0.0; dims];
        step[at / 2] = deviations[at / 2] * scale * if at.is_multiple_of(2) { 1.0 } else { -1.0 };
        turn(&step).iter().zip(mean).map(|(step, mean)| mean + step).collect::<Vec<f64>>()
    };
    (0..2 * dims).flat_map(row).collect()
}

fn straight(step: &[f64]) -> Vec<f64> {
    step.to_vec()
}

#[test]
fn one_dimension_is_the_difference_of_means_and_deviations() {
    for ([m1, s1], [m2, s2]) in
        [([0.0, 1.0], [3.0, 1.0]), ([1.0, 2.0], [1.0, 0.5]), ([-2.0, 0.0], [1.0, 4.0])]
    {
        let (a, b) = (exact(&[m1], &[s1], straight), exact(&[m2], &[s2], straight));
        let want = (m1 - m2) * (m1 - m2) + (s1 - s2) * (s1 - s2);
        close(frechet_distance(&a, &b, 1).unwrap(), want, 1e-12);
        close(frechet_distance(&b, &a, 1).unwrap(), want, 1e-12);
    }
    // 1, 2, 3 and 2, 4, 6, 8: means 2 and 5, variances 1 and 20 / 3
    let want = 9.0 + (1.0 - (20.0f64 / 3.0).sqrt()).powi(2);
    close(frechet_distance(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0, 8.0], 1).unwrap(), want, 1e-12);
}

#[test]
fn diagonal_covariances_add_up() {
    let (m1, s1) = ([1.0, 0.0, -1.0, 5.0], [1.0, 2.0, 3.0, 0.0]);
    let (m2, s2) = ([1.0, 1.0, -3.0, 5.0], [2.0, 2.0, 0.5, 0.25]);
    let (a, b) = (exact(&m1, &s1, straight), exact(&m2, &s2, straight));
    close(frechet_distance(&a, &b, 4).unwrap(), 1.0 + 4.0 + 1.0 + 6.25 + 0.0625, 1e-12);
    close(frechet_distance(&a, &a, 4).unwrap(), 0.0, 1e-12);
}

/// Covariances that do not commute: for 2 x 2 matrices tr (C1 C2)^(1/2) = sqrt(tr C1 C2 + 2 sqrt(det C1 det C2)).
#[test]
fn rotated_covariances_have_the_closed_form() {
    for angle in [0.0, 0.3, 1.0, std::f64::consts::FRAC_PI_2] {
        let (sin, cos) = f64::sin_cos(angle);
        let turn = |v: &[f64]| vec![cos * v[0] - sin * v[1], sin * v[0] + cos * v[1]];
        for deviations in [[3.0, 0.5], [3.0, 0.0]] {
            let a = exact(&[0.0, 0.0], &[1.0, 2.0], straight);
            let b = exact(&[0.5, -0.5], &deviations, turn);
            let [p, q] = deviations.map(|d: f64| d * d);
            // tr C1 C2 with C1 = diag(1, 4)
            let product = (cos * cos * p + sin * sin * q) + 4.0 * (sin * sin * p + cos * cos * q);
            let root = (product + 2.0 * (4.0 * p * q).sqrt()).sqrt();
            let want = 0.5 + 5.0 + p + q - 2.0 * root;
            close(frechet_distance(&a, &b, 2).unwrap(), want, 1e-10);
        }
    }
}

/// Fewer rows than dimensions, and columns that repeat each other.
#[test]
fn covariances_need_no_full_rank() {
    let table = |rows: usize, stream: u32| -> Vec<f64> {
        (0..rows).flat_map(|i| [0, 1, 2].map(|k| normal(stream, i * 8 + k))).collect()
    };
    let (a, b) = (table(40, 1), table(50, 2));
    let want = frechet_distance(&a, &b, 3).unwrap();
    // each row twice, shorter by sqrt(2): an isometry into more dimensions than there are rows
    let spread = |table: &[f64]| -> Vec<f64> {
        let row = |row: &[f64]| (0..90).map(|at| row[at % 3] / 30f64.sqrt()).collect::<Vec<f64>>();
        table.chunks(3).flat_map(row).collect()
    };
    close(frechet_distance(&spread(&a), &spread(&b), 90).unwrap(), want, 1e-9);
    close(frechet_distance(&spread(&a), &spread(&a), 90).unwrap(), 0.0, 1e-9);
    let shifted: Vec<f64> = spread(&a).iter().map(|value| value + 1e6).collect();
    close(frechet_distance(&spread(&a), &shifted, 90).unwrap() / 90e12, 1.0, 1e-9);
}

#[test]
fn samples_of_one_distribution_approach_zero() {
    let table = |rows: usize, stream: u32| -> Vec<f64> {
        (0..rows).flat_map(|i| (0..8).map(move |k| normal(stream, i * 8 + k))).collect()
    };
    let few = frechet_distance(&table(50, 1), &table(50, 2), 8).unwrap();
    let many = frechet_distance(&table(5000, 3), &table(5000, 4), 8).unwrap();
    println!("50 rows: {few:.4}, 5000 rows: {many:.4}");
    assert!(many < 0.02 && few > 10.0 * many, "{few} {many}");
}

#[test]
fn tables_are_checked() {
    let text = frechet_distance(&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0], 2).unwrap_err().to_string();
    assert_eq!(text, "frechet_distance: the first set has one row, and no covariance");
    let text = frechet_distance(&[1.0, 2.0], &[1.0, f64::NAN], 1).unwrap_err().to_string();
    assert_eq!(text, "frechet_distance: row 1 of the second set is not finite");
    assert!(panic_of(|| frechet_distance(&[1.0; 3], &[1.0; 4], 2)).contains("3 values are not rows of 2"));
}
