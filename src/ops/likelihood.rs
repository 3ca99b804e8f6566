//! The likelihoods of a pixel in `f64`: the twins of `bce.wgsl`, `mse.wgsl`, `l1.wgsl` and `continuous_bernoulli.wgsl`.
//!
//! `l` is the decoder's logit, `x` the pixel from 0 to 1. A `gaussian` is an `mse` as soon as its width is known or read, see
//! [`Likelihood::of_variance`]; until then a single pixel has no nats.

use std::f64::consts::PI;

use crate::config::{Likelihood, LossKind, Sigma};
use crate::gpu::Source;
use crate::wgsl;

/// The logistic function.
pub fn sigmoid(l: f64) -> f64 {
    let e = (-l.abs()).exp();
    if l >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// `log((exp(l) - 1) / l)`, the logarithm of the continuous Bernoulli's normaliser, and its derivative, the mean. Within 0.1
/// of zero it is a series to order 8, because the quotients lose more digits there than the series omits.
fn continuous(l: f64) -> [f64; 2] {
    let (a, s) = (l.abs(), l * l);
    if a < 0.1 {
        let norm = l / 2.0 + s * (1.0 / 24.0 + s * (-1.0 / 2880.0 + s / 181_440.0));
        return [norm, 0.5 + l * (1.0 / 12.0 + s * (-1.0 / 720.0 + s / 30_240.0))];
    }
    let above = -1.0 / (-a).exp_m1() - 1.0 / a;
    [l.max(0.0) + (-(-a).exp_m1() / a).ln(), if l > 0.0 { above } else { 1.0 - above }]
}

impl Likelihood {
    /// The Gaussian of a variance that is known.
    pub fn of_variance(variance: f64) -> Self {
        Self { kind: LossKind::Mse, sigma: Sigma::Fixed(variance.sqrt()) }
    }

    /// The mean, which is the pixel of a decoded picture.
    pub fn mean(&self, l: f64) -> f64 {
        match self.kind {
            LossKind::ContinuousBernoulli => continuous(l)[1],
            _ => sigmoid(l),
        }
    }

    /// The negative logarithm of the likelihood, in nats.
    ///
    /// # Panics
    /// If it is a `gaussian`: of the best width its nats are those of a whole set, see
    /// [`ErrorSums`](super::squared_error::ErrorSums); of a learned one [`Likelihood::of_variance`] is meant.
    pub fn nats(&self, l: f64, x: f64) -> f64 {
        let [weight, norm] = self.constants();
        match self.kind {
            LossKind::Bce => l.max(0.0) - l * x + (-l.abs()).exp().ln_1p(),
            LossKind::Mse => weight * (sigmoid(l) - x).powi(2) + norm,
            LossKind::L1 => weight * (sigmoid(l) - x).abs() + norm,
            LossKind::ContinuousBernoulli => continuous(l)[0] - l * x,
            LossKind::Gaussian => panic!("gaussian: a pixel has no nats before the width is known"),
        }
    }

    /// Its derivative by the logit.
    ///
    /// # Panics
    /// As [`Likelihood::nats`].
    pub fn nats_by_logit(&self, l: f64, x: f64) -> f64 {
        let ([weight, _], p) = (self.constants(), self.mean(l));
        match self.kind {
            LossKind::Bce | LossKind::ContinuousBernoulli => p - x,
            LossKind::Mse => 2.0 * weight * (p - x) * p * (1.0 - p),
            LossKind::L1 if p == x => 0.0,
            LossKind::L1 => weight * (p - x).signum() * p * (1.0 - p),
            LossKind::Gaussian => panic!("gaussian: a pixel has no gradient before the width is known"),
        }
    }

    /// The weight of an error, and the logarithm of the normaliser.
    pub(super) fn constants(&self) -> [f64; 2] {
        match (self.kind, self.sigma) {
            (LossKind::Mse, Sigma::Fixed(s)) => [0.5 / (s * s), 0.5 * (2.0 * PI * s * s).ln()],
            (LossKind::L1, Sigma::Fixed(s)) => [1.0 / s, (2.0 * s).ln()],
            (LossKind::Mse | LossKind::L1, sigma) => panic!("{}: a width of {sigma}", self.kind),
            (LossKind::Bce | LossKind::ContinuousBernoulli | LossKind::Gaussian, _) => [1.0, 0.0],
        }
    }

    /// The file with its nats and their gradient.
    pub(super) fn file(&self) -> Source {
        match self.kind {
            LossKind::Bce => wgsl!("loss/bce.wgsl"),
            LossKind::Mse => wgsl!("loss/mse.wgsl"),
            LossKind::L1 => wgsl!("loss/l1.wgsl"),
            LossKind::ContinuousBernoulli => wgsl!("loss/continuous_bernoulli.wgsl"),
            LossKind::Gaussian if self.learns_sigma() => wgsl!("loss/gaussian_learned.wgsl"),
            LossKind::Gaussian => wgsl!("loss/gaussian.wgsl"),
        }
    }

    /// The file with its mean.
    pub(super) fn mean_file(&self) -> Source {
        match self.kind {
            LossKind::ContinuousBernoulli => wgsl!("loss/continuous_bernoulli_mean.wgsl"),
            _ => wgsl!("loss/sigmoid.wgsl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Likelihood, LossKind, Sigma};

    /// The integral of `f` over 0..=1, or over far enough outside, by Simpson's rule.
    fn integral([from, to]: [f64; 2], f: impl Fn(f64) -> f64) -> f64 {
        let (n, h) = (20_000, (to - from) / 20_000.0);
        let weight = |i: i32| if i == 0 || i == n { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
        (0..=n).map(|i| weight(i) * f(from + f64::from(i) * h)).sum::<f64>() * h / 3.0
    }

    /// Each but the cross-entropy is a density: it integrates to 1, and a picture shows its mean. Simpson's rule is
    /// about 1e-6 off at the peak of a Laplace distribution.
    #[test]
    fn likelihoods_are_densities_with_the_mean_that_is_shown() {
        for kind in [LossKind::Mse, LossKind::L1, LossKind::ContinuousBernoulli] {
            let likelihood = Likelihood { kind, sigma: Sigma::Fixed(0.2) };
            let range = if kind == LossKind::ContinuousBernoulli { [0.0, 1.0] } else { [-5.0, 6.0] };
            for l in [-9.0, -1.2, -0.099, 0.0, 1e-6, 0.101, 0.7, 4.0] {
                let density = |x: f64| (-likelihood.nats(l, x)).exp();
                let whole = integral(range, density);
                let mean = integral(range, |x| x * density(x));
                assert!((whole - 1.0).abs() < 1e-5, "{kind:?} at {l}: integrates to {whole}");
                assert!((mean - likelihood.mean(l)).abs() < 1e-5, "{kind:?} at {l}: mean {mean}");
            }
        }
    }

    /// The series and the quotient meet.
    #[test]
    fn the_continuous_bernoulli_is_smooth_where_its_forms_meet() {
        for at in [-0.1, 0.1f64] {
            let [below, above] = [super::continuous(at - 1e-9), super::continuous(at + 1e-9)];
            assert!((below[0] - above[0]).abs() < 2e-9 && (below[1] - above[1]).abs() < 1e-9);
        }
    }
}
