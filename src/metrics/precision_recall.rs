//! Precision and recall of a set of samples, and the nearest rows of a table, by distances between features.
//! Read this to interpret "are samples like real pictures, and are all kinds of them there".

use rayon::prelude::*;

use super::{Result, finite, refused, rows};

/// Neighbours of [`precision_recall`] in Kynkaanniemi et al. 2019.
pub const NEIGHBOURS: usize = 3;

/// Precision and recall, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// share of the samples that are among the real rows
    pub precision: f64,
    /// share of the real rows that are among the samples
    pub recall: f64,
}

/// Improved precision and recall of `samples` against `real`, tables of `dims` columns.
///
/// A point is among the rows of a table if, for any row r of it, `|point - r| <= |r - n|`, with n the `neighbours`-th
/// nearest of the table's other rows. Precision is the share of the samples that are among the real rows: are they like
/// pictures? Recall is the share of the real rows that are among the samples: is every kind of picture drawn? Both depend
/// on the numbers of rows, so figures compare for equal numbers.
///
/// Source: Kynkaanniemi, Karras, Laine, Lehtinen and Aila, "Improved precision and recall metric for assessing generative
/// models", NeurIPS 2019, equations 1 and 2.
///
/// # Errors
/// If a table has not more rows than `neighbours`, or a value is not finite.
///
/// # Panics
/// If a table is empty or has no whole rows, or `neighbours` is 0.
pub fn precision_recall(
    real: &[f64],
    samples: &[f64],
    dims: usize,
    neighbours: usize,
) -> Result<PrecisionRecall> {
    assert!(neighbours > 0, "precision_recall: no neighbours");
    for (which, table) in [("real", real), ("sampled", samples)] {
        let count = rows("precision_recall", table.len(), dims);
        if count <= neighbours {
            return refused(format!(
                "precision_recall: {count} {which} rows do not have {neighbours} neighbours each"
            ));
        }
        finite("precision_recall", &format!("{which} table"), table, dims)?;
    }
    Ok(PrecisionRecall {
        precision: share_among(samples, real, dims, neighbours),
        recall: share_among(real, samples, dims, neighbours),
    })
}

/// The row of `table` that is nearest to each row of `points`, with the distance. The first of equally near ones.
///
/// # Errors
/// If a value is not finite.
///
/// # Panics
/// If a table is empty or has no whole rows.
pub fn nearest(points: &[f64], table: &[f64], dims: usize) -> Result<Vec<(usize, f64)>> {
    for (which, table) in [("first table", points), ("second table", table)] {
        rows("nearest", table.len(), dims);
        finite("nearest", which, table, dims)?;
    }
    Ok(points.par_chunks_exact(dims).map(|point| least(point, table, dims, None)).collect())
}

/// The other row of `table` that is nearest to each of its rows, with the distance.
///
/// # Errors
/// If a value is not finite, or there is one row.
///
/// # Panics
/// If the table is empty or has no whole rows.
pub fn nearest_other(table: &[f64], dims: usize) -> Result<Vec<(usize, f64)>> {
    if rows("nearest_other", table.len(), dims) == 1 {
        return refused("nearest_other: one row has no other".to_owned());
    }
    finite("nearest_other", "only table", table, dims)?;
    let of = |(at, point): (usize, &[f64])| least(point, table, dims, Some(at));
    Ok(table.par_chunks_exact(dims).enumerate().map(of).collect())
}

/// The first of the nearest rows of `table`, except row `without`, and its distance.
fn least(point: &[f64], table: &[f64], dims: usize, without: Option<usize>) -> (usize, f64) {
    let rows = table.chunks_exact(dims).enumerate().filter(|(at, _)| Some(*at) != without);
    let squares = rows.map(|(at, row)| (at, square(point, row)));
    let (at, square) = squares.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::NAN));
    (at, square.sqrt())
}

/// The share of `points` that are among the rows of `table`.
fn share_among(points: &[f64], table: &[f64], dims: usize, neighbours: usize) -> f64 {
    let radius = |(at, row): (usize, &[f64])| {
        let others = table.chunks_exact(dims).enumerate().filter(|(other, _)| *other != at);
        let mut squares: Vec<f64> = others.map(|(_, other)| square(row, other)).collect();
        *squares.select_nth_unstable_by(neighbours - 1, f64::total_cmp).1
    };
    let radii: Vec<f64> = table.par_chunks_exact(dims).enumerate().map(radius).collect();
    let is_among = |point: &&[f64]| {
        table.chunks_exact(dims).zip(&radii).any(|(row, radius)| square(point, row) <= *radius)
    };
    let count = points.par_chunks_exact(dims).filter(is_among).count();
    count as f64 / (points.len() / dims) as f64
}

/// The square of the distance.
fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
