//! Squared errors of reconstructions per channel, and the Gaussian likelihood of the width that fits them best.
//!
//! Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021, section 3.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::likelihood::sigmoid;
use super::step::Step;
use super::totals::{SQUARED_ERRORS, TotalsSlots};
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

/// Pixels that one workgroup sums.
const CHUNK: u32 = 1024;

/// The variance that is not gone below, for pixels from 0 to 1: a standard deviation of 0.001, the least that `--sigma`
/// takes. It keeps nats and gradients finite where all errors vanish.
pub const LEAST_VARIANCE: f64 = 1e-6;

/// Sums of squared errors over a set of pictures. Those of parts of a set add up; their likelihoods do not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorSums {
    /// sum of squared errors of each channel, for pixels from 0 to 1
    pub sums: [f64; 3],
    /// values of each channel: pixels of all pictures
    pub values: f64,
    /// whether each channel has a width of its own
    pub per_channel: bool,
}

impl ErrorSums {
    /// Those in the totals of a batch.
    pub fn of_totals(totals: &[f32], values: f64, per_channel: bool) -> Self {
        Self { sums: SQUARED_ERRORS.map(|slot| f64::from(totals[slot])), values, per_channel }
    }

    /// Adds the sums over other pictures.
    pub fn add(&mut self, other: &Self) {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, more)| *sum += more);
        self.values += other.values;
    }

    /// The most likely variance of each channel, which is its mean squared error.
    pub fn variances(&self) -> [f64; 3] {
        let common = self.sums.iter().sum::<f64>() / (3.0 * self.values);
        let each = self.sums.map(|sum| if self.per_channel { sum / self.values } else { common });
        each.map(|variance| variance.max(LEAST_VARIANCE))
    }

    /// Nats of these pictures under Gaussians of these variances: `n D / 2 (ln(2 pi m) + 1)`, if `variances` are the means
    /// m of the same pictures and above the bound.
    pub fn nats_under(&self, variances: [f64; 3]) -> f64 {
        let channels = self.sums.iter().zip(variances);
        channels.map(|(sum, m)| 0.5 * (self.values * (2.0 * PI * m).ln() + sum / m)).sum()
    }

    /// Nats of these pictures under the most likely variances.
    pub fn nats(&self) -> f64 {
        self.nats_under(self.variances())
    }
}

params! {
    /// Sizes of `squared_error.wgsl`.
    pub struct SquaredError {
        /// N
        batch: u32,
        /// pixels of a picture
        pixels: u32,
        /// partial sums per picture
        chunks: u32,
        /// pixels in each
        chunk: u32,
    }
}

impl SquaredError {
    /// `parts[N, chunks, 4]`: sums of `(sigmoid(logits) - x)^2` per channel, for `batch` pictures of `pixels` each.
    pub fn new(batch: u32, pixels: u32) -> Self {
        Self { batch, pixels, chunks: pixels.div_ceil(CHUNK), chunk: CHUNK }
    }

    /// Shape of the partial sums; the fourth channel is zero.
    pub fn parts(&self) -> [u32; 3] {
        [self.batch, self.chunks, 4]
    }
}

impl Op for SquaredError {
    fn kernel(&self) -> Kernel {
        let files = [
            wgsl!("loss/squared_error.wgsl"),
            wgsl!("loss/sigmoid.wgsl"),
            wgsl!("common/tree_sum.wgsl"),
            wgsl!("common/step.wgsl"),
        ];
        Kernel { name: "squared_error", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.batch, self.pixels, 4]);
        let parts = Shape::new(&self.parts());
        vec![("step", Step::shape()), ("logits", pictures), ("x", pictures), ("parts", parts)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.batch) * u64::from(self.chunks)
    }

    fn flops(&self) -> u64 {
        3 * 6 * u64::from(self.batch) * u64::from(self.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, parts] = buffers else { panic!("squared_error: {} operands", buffers.len()) };
        let count = Step::from_words(step).valid as usize;
        let [pixels, chunks, chunk] = [self.pixels, self.chunks, self.chunk].map(|v| v as usize);
        for (at, part) in parts.chunks_mut(4).enumerate() {
            let (picture, begin) = (at / chunks, at % chunks * chunk);
            let mut sums = [0.0; 4];
            for i in 4 * (picture * pixels + begin)..4 * (picture * pixels + pixels.min(begin + chunk)) {
                if i % 4 < 3 && picture < count {
                    sums[i % 4] += (sigmoid(logits[i].into()) - f64::from(x[i])).powi(2);
                }
            }
            part.copy_from_slice(&sums.map(|sum| sum as f32));
        }
    }
}

params! {
    /// Adds the sums of `parts` over all pictures of a micro-batch to those of its batch, in `totals`.
    pub struct SquaredErrorTotal {
        /// partial sums, over all pictures
        parts: u32,
    }
}

impl SquaredErrorTotal {
    /// For `parts` partial sums.
    pub fn new(parts: u32) -> Self {
        Self { parts }
    }
}

impl Op for SquaredErrorTotal {
    fn kernel(&self) -> Kernel {
        let files = [
            wgsl!("loss/squared_error_total.wgsl"),
            wgsl!("loss/sum_parts.wgsl"),
            wgsl!("loss/totals_slots.wgsl"),
            wgsl!("common/tree_sum.wgsl"),
        ];
        Kernel { name: "squared_error_total", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("parts", Shape::new(&[self.parts, 4])), ("totals", TotalsSlots::shape())]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        u64::from(3 * self.parts)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [parts, totals] = buffers else { panic!("squared_error_total: {} operands", buffers.len()) };
        for (channel, slot) in SQUARED_ERRORS.into_iter().enumerate() {
            let sum: f64 = parts.chunks(4).map(|part| f64::from(part[channel])).sum();
            totals[slot] = (f64::from(totals[slot]) + sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorSums, LEAST_VARIANCE};
    use crate::config::{Likelihood, LossKind, Sigma};

    const SUMS: ErrorSums = ErrorSums { sums: [2.0, 0.5, 0.0], values: 50.0, per_channel: false };

    /// No other width has fewer nats, and they are those of mse with that width.
    #[test]
    fn the_width_is_the_most_likely_one() {
        let closed = 75.0 * ((2.0 * std::f64::consts::PI * 2.5 / 150.0).ln() + 1.0);
        assert!((SUMS.nats() - closed).abs() < 1e-9, "{} and {closed}", SUMS.nats());
        let errors = ErrorSums { sums: [2.0, 0.5, 1.0], per_channel: true, ..SUMS };
        assert_eq!(errors.variances(), [0.04, 0.01, 0.02]);
        for errors in [SUMS, errors] {
            let best = errors.variances();
            for by in [0.9, 1.1] {
                assert!(errors.nats_under(best.map(|m| by * m)) > errors.nats());
            }
            // a pixel's error of 0.3 more is a summand of the square
            let one = ErrorSums { sums: [0.09, 0.0, 0.0], values: 1.0, ..errors };
            let of = |m: f64| Likelihood { kind: LossKind::Mse, sigma: Sigma::Fixed(m.sqrt()) };
            let nats = of(best[0]).nats(0.0, 0.8) + of(best[1]).nats(0.0, 0.5) + of(best[2]).nats(0.0, 0.5);
            assert!((one.nats_under(best) - nats).abs() < 1e-12);
        }
    }

    /// The nats of two sets together are not the sum of theirs.
    #[test]
    fn sums_add_up_and_nats_do_not() {
        let other = ErrorSums { sums: [0.0, 0.5, 0.1], values: 10.0, ..SUMS };
        let mut both = SUMS;
        both.add(&other);
        assert_eq!((both.sums, both.values), ([2.0, 1.0, 0.1], 60.0));
        assert!(both.nats() > SUMS.nats() + other.nats() + 0.1);
    }

    /// Errors of zero have a finite likelihood, and an error that is not a number is seen.
    #[test]
    fn the_least_variance_keeps_nats_finite() {
        let none = ErrorSums { sums: [0.0; 3], per_channel: true, ..SUMS };
        assert_eq!(none.variances(), [LEAST_VARIANCE; 3]);
        assert!(none.nats().is_finite());
        let nan = ErrorSums { sums: [f64::NAN, 0.0, 0.0], ..SUMS };
        assert!(nan.nats().is_nan(), "a loss that is not a number is seen");
    }
}
