//! Orthogonal columns by rotations: the eigenvectors and singular values of the other modules.
//! Read this for when two columns count as orthogonal.

/// The dot product, with four independent sums in a fixed order, for vector instructions.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Rotates pairs of columns until all are orthogonal, by one-sided Jacobi rotations: for columns X they become X V for a
/// rotation V, so their lengths are the singular values of X, and they are eigenvectors of X X^T. Columns whose squared
/// length is at most `least` are left alone: if they consist of rounding errors, they would never become orthogonal.
/// Source: Hestenes, "Inversion of matrices by biorthogonalization", SIAM 1958; Demmel and Veselic, "Jacobi's method is more
/// accurate than QR", SIAM J. Matrix Anal. Appl. 13 (1992).
pub(crate) fn orthogonalize(columns: &mut [Vec<f64>], least: f64) {
    // it converges quadratically: 6 to 12 sweeps are usual; the bound only guards against rounding
    for _ in 0..60 {
        if !sweep(columns, least) {
            break;
        }
    }
}

/// Rotates every pair of columns once; returns whether any was not yet orthogonal.
fn sweep(columns: &mut [Vec<f64>], least: f64) -> bool {
    let mut rotated = false;
    for p in 0..columns.len() {
        let (first, others) = columns[p..].split_at_mut(1);
        let first = &mut first[0];
        let mut a = dot(first, first);
        for other in others {
            let (b, c) = (dot(other, other), dot(first, other));
            if a.min(b) <= least || c.abs() <= 1e-14 * (a * b).sqrt() {
                continue;
            }
            rotated = true;
            // the smaller root of t^2 + 2 zeta t - 1 = 0
            let zeta = (b - a) / (2.0 * c);
            let t = 1f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
            let cos = 1.0 / t.hypot(1.0);
            let sin = cos * t;
            for (x, y) in first.iter_mut().zip(other) {
                (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
            }
            a = dot(first, first);
        }
    }
    rotated
}
