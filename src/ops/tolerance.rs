//! Tolerances between two computations of one result, and their reasons. docs/numerics.md derives them.

use crate::gpu::Element;

/// The allowed difference of two results: `|a - b| <= abs + rel * |b|` for every element. NaN is never equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// absolute part
    pub abs: f64,
    /// relative part
    pub rel: f64,
}

impl Tolerance {
    /// Integers, and floats that are only moved.
    pub const EXACT: Self = Self { abs: 0.0, rel: 0.0 };
    /// A handful of f32 operations, and exp, log, sqrt, sin and cos, which WGSL allows a few ulps (log and cos
    /// near their zeros an absolute error of 2^-21).
    pub const ELEMENTWISE: Self = Self { abs: 4e-6, rel: 1e-5 };
    /// A sum of `terms` products of standard normals in f32 against one in f64: rounding errors add up like a
    /// random walk, so they grow with the square root of the terms.
    pub fn reduction(terms: u64) -> Self {
        Self { abs: 1e-5 * (terms as f64).sqrt(), rel: 1e-5 }
    }
    /// Two configurations of such a sum against each other, both in f32. One may add all terms one after the other; then
    /// the rounded partial sums grow as well, and the error grows with the number of terms.
    pub fn between_configs(terms: u64) -> Self {
        let exact = Self::reduction(terms);
        Self { abs: exact.abs + 1.5e-7 * terms as f64, ..exact }
    }
    /// [`Tolerance::between_configs`] if one of them rounds its factors to `factors` and the other does not. With f16 each
    /// term is off by up to 2^-11 of itself for each factor. Seven times the root mean square allows for the worst of ten
    /// million sums. A core that multiplies the wrong elements is off by the square root of the number of terms.
    pub fn product(terms: u64, factors: Element) -> Self {
        let exact = Self::between_configs(terms);
        match factors {
            Element::F32 => exact,
            Element::F16 => Self { abs: exact.abs + 2e-3 * (terms as f64).sqrt(), ..exact },
        }
    }
    /// The tolerance of results stored as `element`. Both sides round, so they may be neighbours: 2^-10 apart, or 2^-24
    /// apart below f16's minimum normal number.
    pub fn stored_as(self, element: Element) -> Self {
        match element {
            Element::F32 => self,
            Element::F16 => Self { abs: self.abs + 2f64.powi(-24), rel: self.rel + 2f64.powi(-10) },
        }
    }
    /// Analytic gradients against central differences, in f64 by twins that store f32.
    pub const GRADIENT: Self = Self { abs: 2e-3, rel: 1e-2 };

    /// The index of the element with the largest error relative to the tolerance, and that ratio: above 1 is wrong.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn max_error(self, got: &[f32], want: &[f32]) -> (usize, f64) {
        assert_eq!(got.len(), want.len(), "lengths differ");
        let ratio = |(&a, &b): (&f32, &f32)| {
            let error = (f64::from(a) - f64::from(b)).abs();
            let allowed = self.abs + self.rel * f64::from(b).abs();
            match (a.is_nan() || b.is_nan(), error == 0.0) {
                (true, _) => f64::INFINITY,
                (false, true) => 0.0,
                (false, false) => error / allowed,
            }
        };
        let ratios = got.iter().zip(want).map(ratio).enumerate();
        ratios.fold((0, 0.0), |max, (i, ratio)| if ratio > max.1 { (i, ratio) } else { max })
    }
}
