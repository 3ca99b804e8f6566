//! The Frechet distance between two sets of vectors, as of Gaussians with their moments.
//! Read this to interpret distances between sets of features.

use super::{Result, finite, refused, rows};
use crate::linalg::{dot, orthogonalize};

/// The Frechet distance of Gaussians with the moments of two tables of `dims` columns, row by row:
/// `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` with means m and covariances C (divided by N - 1). It is a squared
/// distance: 4 times as much for a shift twice as far.
///
/// It is zero for equal moments only. Of two samples of one distribution it is not zero: the fewer rows and the more
/// dimensions, the larger. So sets compare if they have equally many rows.
///
/// With centred rows `X / sqrt(N - 1) = Q R`, C is `R^T R`, and `tr (C1 C2)^(1/2)` is the sum of the singular values of
/// `R1 R2^T`. No covariance is formed, no root is taken of a matrix, and neither needs full rank.
///
/// Source: Dowson and Landau, "The Frechet distance between multivariate normal distributions", J. Multivariate Anal. 12
/// (1982); Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS
/// 2017.
///
/// # Errors
/// If a table has fewer than two rows, or a value is not finite.
///
/// # Panics
/// If a table is empty or has no whole rows.
pub fn frechet_distance(a: &[f64], b: &[f64], dims: usize) -> Result<f64> {
    for (which, table) in [("first", a), ("second", b)] {
        let count = rows("frechet_distance", table.len(), dims);
        if count < 2 {
            return refused(format!("frechet_distance: the {which} set has one row, and no covariance"));
        }
        finite("frechet_distance", &format!("{which} set"), table, dims)?;
    }
    let ((mean_a, root_a), (mean_b, root_b)) = (moments(a, dims), moments(b, dims));
    let shift: f64 = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b).powi(2)).sum();
    let trace = |root: &[Vec<f64>]| root.iter().flatten().map(|value| value * value).sum::<f64>();
    let product = root_b.iter().map(|b| root_a.iter().map(|a| dot(a, b)).collect()).collect();
    let root: f64 = singular_values(product).iter().sum();
    // rounding may leave a little less than nothing
    Ok((shift + trace(&root_a) + trace(&root_b) - 2.0 * root).max(0.0))
}

/// The mean of the rows of a table, and the rows of R with `R^T R` their covariance, by modified Gram-Schmidt. Its R is
/// that of Householder reflections, so dependent columns do no harm: Bjorck, "Numerics of Gram-Schmidt
/// orthogonalization", Linear Algebra Appl. 197 (1994).
fn moments(table: &[f64], dims: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let count = (table.len() / dims) as f64;
    let column = |dim: usize| table.iter().skip(dim).step_by(dims);
    let means: Vec<f64> = (0..dims).map(|dim| column(dim).sum::<f64>() / count).collect();
    let scale = (count - 1.0).sqrt();
    let mut columns: Vec<Vec<f64>> =
        (0..dims).map(|dim| column(dim).map(|value| (value - means[dim]) / scale).collect()).collect();
    let mut root = vec![vec![0.0; dims]; dims];
    for (j, row) in root.iter_mut().enumerate() {
        let (first, others) = columns[j..].split_at_mut(1);
        let length = dot(&first[0], &first[0]).sqrt();
        if length == 0.0 {
            continue;
        }
        row[j] = length;
        first[0].iter_mut().for_each(|value| *value /= length);
        for (other, r) in others.iter_mut().zip(&mut row[j + 1..]) {
            *r = dot(&first[0], other);
            other.iter_mut().zip(&first[0]).for_each(|(value, q)| *value -= *r * q);
        }
    }
    (means, root)
}

/// The singular values of a square matrix of these columns, in no order. Small ones are accurate too.
fn singular_values(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
    let least = 1e-32 * columns.iter().map(|column| dot(column, column)).fold(0.0, f64::max);
    orthogonalize(&mut columns, least);
    columns.iter().map(|column| dot(column, column).sqrt()).collect()
}
