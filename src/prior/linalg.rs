//! Linear algebra for positive definite matrices: Cholesky, triangular solves, eigenvectors.
//! Only the lower triangle is stored, row by row.

use serde::{Deserialize, Serialize};

use crate::linalg::{dot, orthogonalize};

/// Right-hand sides solved together: each lane is one row, so the compiler can use vector instructions.
pub(super) const LANES: usize = 16;

/// Index of `[i][j]`, `j <= i`, in a packed lower triangle; `packed(dims, 0)` is the triangle's length.
pub(super) const fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Side length of a packed triangle.
fn side(triangle: &[f64]) -> usize {
    let dims = (2 * triangle.len()).isqrt();
    debug_assert_eq!(packed(dims, 0), triangle.len(), "a whole triangle");
    dims
}

/// The lower triangular L with `L L^T = matrix`, or `None` if the matrix is not positive definite (in f64).
/// Source: Golub and Van Loan, "Matrix Computations", 4th edition, section 4.2.
pub(super) fn cholesky(mut matrix: Vec<f64>) -> Option<Vec<f64>> {
    for i in 0..side(&matrix) {
        let (above, row) = matrix.split_at_mut(packed(i, 0));
        for j in 0..i {
            let other = &above[packed(j, 0)..=packed(j, j)];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        // written so that NaN is refused too
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        row[i] = pivot.sqrt();
    }
    Some(matrix)
}

/// Replaces each lane x by y with `L y = x` (forward substitution) and returns `|y|^2` of each lane.
pub(super) fn solve_lanes(factor: &[f64], lanes: &mut [[f64; LANES]]) -> [f64; LANES] {
    let mut squares = [0.0; LANES];
    for i in 0..lanes.len() {
        let (solved, rest) = lanes.split_at_mut(i);
        let row = &factor[packed(i, 0)..=packed(i, i)];
        let mut y = rest[0];
        for (l, known) in row.iter().zip(&*solved) {
            for lane in 0..LANES {
                y[lane] -= l * known[lane];
            }
        }
        for lane in 0..LANES {
            y[lane] /= row[i];
            squares[lane] += y[lane] * y[lane];
        }
        rest[0] = y;
    }
    squares
}

/// The principal axes of a density, for moving a latent with a slider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    /// overall mean, \[D\]
    pub mean: Vec<f64>,
    /// variances along the axes, largest first, \[D\]
    pub values: Vec<f64>,
    /// unit axes, each with its largest element positive: `vectors[i]` belongs to `values[i]`, \[D\]\[D\]
    pub vectors: Vec<Vec<f64>>,
}

impl Principal {
    /// Principal axes of the covariance `L L^T`, by one-sided Jacobi rotations: pairs of L's columns are rotated until
    /// all are orthogonal. Since `(L V) (L V)^T = L L^T` for every rotation V, the columns then are the eigenvectors,
    /// and their lengths the square roots of the eigenvalues.
    /// Source: Hestenes, "Inversion of matrices by biorthogonalization", SIAM 1958; Demmel and Veselic, "Jacobi's
    /// method is more accurate than QR", SIAM J. Matrix Anal. Appl. 13 (1992), who start from the Cholesky factor.
    pub(super) fn of(mean: Vec<f64>, factor: &[f64]) -> Self {
        let dims = mean.len();
        let element = |i, j| if j <= i { factor[packed(i, j)] } else { 0.0 };
        let mut columns: Vec<Vec<f64>> =
            (0..dims).map(|j| (0..dims).map(|i| element(i, j)).collect()).collect();
        orthogonalize(&mut columns, 0.0);
        let mut axes: Vec<(f64, Vec<f64>)> = columns.into_iter().map(axis).collect();
        axes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (values, vectors) = axes.into_iter().unzip();
        Self { mean, values, vectors }
    }
}

/// The squared length of a column, and its direction with a positive largest element.
fn axis(column: Vec<f64>) -> (f64, Vec<f64>) {
    let value = dot(&column, &column);
    let largest = column.iter().fold(0.0, |most: f64, &x| if x.abs() > most.abs() { x } else { most });
    let scale = value.sqrt().copysign(largest);
    (value, column.into_iter().map(|x| x / scale).collect())
}
