//! Tests of the single steps of a fit.

use super::super::fit::choose;
use super::super::kmeans_init::{Rows, Stream};

/// The best candidate is ahead by 0.1 on average. If the lead is similar in all rows it counts; if single rows differ
/// by more in both directions it does not.
#[test]
fn the_smallest_candidate_within_one_standard_error_is_chosen() {
    let base: Vec<f64> = (0..100).map(|n| f64::from(n % 7)).collect();
    let ahead = |by: f64, noise: f64| -> Vec<f64> {
        base.iter().enumerate().map(|(n, b)| b + by + if n % 2 == 0 { noise } else { -noise }).collect()
    };
    let (steady, noisy) = (ahead(0.1, 0.5), ahead(0.1, 2.0));
    // standard errors of the differences: 0.05 and 0.2
    assert_eq!(choose(&[Some(&base), Some(&steady)]), Some(1));
    assert_eq!(choose(&[Some(&base), Some(&noisy)]), Some(0));
    assert_eq!(
        choose(&[None, Some(&base), Some(&noisy), Some(&base)]),
        Some(1),
        "refused ones are passed over"
    );
    assert_eq!(choose(&[Some(&steady), Some(&base)]), Some(0), "a smaller best one stays");
    assert_eq!(choose(&[None, None]), None);
    assert_eq!(choose(&[Some(&base[..1]), Some(&steady[..1])]), Some(1), "one held-out row decides alone");
}

/// Points 0, 1 and 3: the second centre after 0 is 1 with probability 1/10, after 1 it is 0 with 1/5, and
/// after 3 it is 0 with 9/13.
#[test]
fn centres_are_drawn_by_squared_distance() {
    let rows = Rows { rows: &[0.0, 1.0, 3.0], dims: 1, precision: &[1.0] };
    let count = 30_000;
    let mut drawn = std::collections::BTreeMap::new();
    for number in 0..count {
        let centres = rows.centres(2, &mut Stream::new(1, 99, number));
        *drawn.entry((centres[0][0] as i32, centres[1][0] as i32)).or_insert(0.0) += 1.0;
    }
    let wanted = [
        ((0, 1), 0.1),
        ((0, 3), 0.9),
        ((1, 0), 0.2),
        ((1, 3), 0.8),
        ((3, 0), 9.0 / 13.0),
        ((3, 1), 4.0 / 13.0),
    ];
    for (pair, share) in wanted {
        let got = drawn.remove(&pair).unwrap_or(0.0) / count as f64;
        println!("{pair:?}: {got:.4}, expected {:.4}", share / 3.0);
        assert!((got - share / 3.0).abs() < 0.012, "a standard error is at most 0.0027");
    }
    assert!(drawn.is_empty(), "no point twice: {drawn:?}");
}

#[test]
fn there_are_no_more_centres_than_different_rows() {
    let rows = Rows { rows: &[0.5, 2.5, 0.5, 2.5, 0.5], dims: 1, precision: &[1.0] };
    for number in 0..20 {
        assert_eq!(rows.centres(4, &mut Stream::new(1, 99, number)).len(), 2);
    }
}
