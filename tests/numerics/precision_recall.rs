//! Precision, recall and nearest rows, on sets made by hand.

use wgvae::metrics::{NEIGHBOURS, nearest, nearest_other, precision_recall};

use crate::formulas::normal;
use crate::{close, on_threads, panic_of};

#[track_caller]
fn found(real: &[f64], samples: &[f64], neighbours: usize, want: [f64; 2]) {
    let found = precision_recall(real, samples, 1, neighbours).unwrap();
    close(found.precision, want[0], 1e-12);
    close(found.recall, want[1], 1e-12);
    // the roles of the sets exchange the two
    let other = precision_recall(samples, real, 1, neighbours).unwrap();
    assert_eq!([other.precision, other.recall], [found.recall, found.precision]);
}

#[test]
fn lines_of_points_have_the_shares_that_one_counts() {
    // radii to the nearest other: 1, 1, 8; to the second: 9, 8, 9
    let real = [0.0, 1.0, 9.0];
    // 0.5 and 2 are within 1 of a real one, 17 within 8 of the last, 18 of none; radii of the samples: 1.5, 1.5, 1, 1,
    // which hold 0 and 1 but not 9
    found(&real, &[0.5, 2.0, 17.0, 18.0], 1, [0.75, 2.0 / 3.0]);
    // 18 is within 9 of 9, and 9 within 16.5 of 0.5
    found(&real, &[0.5, 2.0, 17.0, 18.0], 2, [1.0, 1.0]);
    // copies of one picture: like pictures, and none of the others
    found(&[0.0, 10.0, 20.0, 31.0], &[10.0; 5], 3, [1.0, 0.25]);
    found(&[0.0, 1.0, 2.0, 3.0], &[100.0, 101.0, 102.0, 103.0], 3, [0.0, 0.0]);
}

#[test]
fn a_narrow_set_is_precise_and_a_wide_one_complete() {
    let table = |stream: u32, deviation: f64| -> Vec<f64> {
        (0..300).flat_map(|i| [0, 1].map(|k| deviation * normal(stream, i * 8 + k))).collect()
    };
    let (real, like) = (table(1, 1.0), table(2, 1.0));
    let of = |samples: &[f64]| precision_recall(&real, samples, 2, NEIGHBOURS).unwrap();
    let (equal, narrow, wide) = (of(&like), of(&table(3, 0.2)), of(&table(4, 5.0)));
    println!("equal {equal:?}, narrow {narrow:?}, wide {wide:?}");
    assert!(equal.precision > 0.9 && equal.recall > 0.9);
    assert!(narrow.precision > 0.9 && narrow.recall < 0.3);
    assert!(wide.precision < 0.5 && wide.recall > 0.8);
}

#[test]
fn nearest_rows_are_found_with_their_distances() {
    let table = [0.0, 0.0, 3.0, 4.0, 3.0, 4.0, -1.0, 0.0];
    let near = nearest(&[3.0, 3.0, 0.0, 0.0, -4.0, 4.0], &table, 2).unwrap();
    assert_eq!(near, [(1, 1.0), (0, 0.0), (3, 5.0)]);
    assert_eq!(nearest_other(&table, 2).unwrap(), [(3, 1.0), (2, 0.0), (1, 0.0), (0, 1.0)]);
    let [one, three] = on_threads(|| nearest_other(&table, 2).unwrap());
    assert_eq!(one, three);
}

#[test]
fn tables_are_checked() {
    let text = precision_recall(&[1.0, 2.0, 3.0], &[1.0; 9], 1, 3).unwrap_err().to_string();
    assert_eq!(text, "precision_recall: 3 real rows do not have 3 neighbours each");
    let text = precision_recall(&[1.0; 9], &[1.0, f64::NAN], 1, 1).unwrap_err().to_string();
    assert_eq!(text, "precision_recall: row 1 of the sampled table is not finite");
    let text = nearest(&[f64::INFINITY], &[1.0], 1).unwrap_err().to_string();
    assert_eq!(text, "nearest: row 0 of the first table is not finite");
    assert!(nearest_other(&[1.0, 2.0], 2).is_err());
    assert!(panic_of(|| precision_recall(&[1.0; 4], &[1.0; 4], 1, 0)).contains("no neighbours"));
    assert!(panic_of(|| nearest(&[1.0; 3], &[1.0; 4], 2)).contains("3 values are not rows of 2"));
}
