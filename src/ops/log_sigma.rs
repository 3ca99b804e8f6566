//! The gradient of a Gaussian's learned width.
//!
//! Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021, section 3.

use super::loss_scale::LossScale;
use super::squared_error::LEAST_VARIANCE;
use super::step::Step;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::{params, wgsl};

/// The variance that `log_sigma` means: `exp(2 log_sigma)`, at least [`LEAST_VARIANCE`].
pub fn variance_of(log_sigma: f64) -> f64 {
    // a comparison that keeps what is not a number
    let variance = (2.0 * log_sigma).exp();
    if variance < LEAST_VARIANCE { LEAST_VARIANCE } else { variance }
}

params! {
    /// Sizes of `log_sigma_grad.wgsl`.
    pub struct LogSigmaGradParams {
        /// partial sums of squared errors, over all pictures
        parts: u32,
        /// pixels of a picture
        pixels: u32,
    }
}

/// The gradient of a micro-batch's nats by `log_sigma`, `D - S / v` for D values with squared errors S, times the loss
/// scale.
#[derive(Debug, Clone, Copy)]
pub struct LogSigmaGrad {
    params: LogSigmaGradParams,
    accumulate: bool,
}

impl LogSigmaGrad {
    /// For `parts` partial sums over pictures of `pixels` each; `accumulate` adds to the previous gradient.
    pub fn new(parts: u32, pixels: u32, accumulate: bool) -> Self {
        Self { params: LogSigmaGradParams { parts, pixels }, accumulate }
    }
}

impl Op for LogSigmaGrad {
    fn kernel(&self) -> Kernel {
        let files = [
            wgsl!("loss/log_sigma_grad.wgsl"),
            wgsl!("loss/sum_parts.wgsl"),
            wgsl!("common/tree_sum.wgsl"),
            wgsl!("common/step.wgsl"),
            wgsl!("optimizer/loss_scale.wgsl"),
        ];
        Kernel { name: "log_sigma_grad", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let least = Value::F32(LEAST_VARIANCE as f32);
        vec![("ACCUMULATE", Value::Bool(self.accumulate)), ("LEAST_VARIANCE", least)]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let four = Shape::new(&[4]);
        vec![
            ("step", Step::shape()),
            ("scaling", LossScale::shape()),
            ("log_sigma", four),
            ("parts", Shape::new(&[self.params.parts, 4])),
            ("gradient", four),
        ]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        u64::from(3 * self.params.parts)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, scaling, log_sigma, parts, gradient] = buffers else {
            panic!("log_sigma_grad: {} operands", buffers.len())
        };
        let (valid, log_sigma) = (Step::from_words(step).valid, f64::from(log_sigma[0]));
        let errors: f64 = parts.chunks(4).flat_map(|part| &part[..3]).map(|&sum| f64::from(sum)).sum();
        let values = 3.0 * f64::from(self.params.pixels) * f64::from(valid);
        let slope = values - errors / variance_of(log_sigma);
        let below = (2.0 * log_sigma).exp() < LEAST_VARIANCE;
        let slope = if below { slope.min(0.0) } else { slope };
        let before = if self.accumulate { f64::from(gradient[0]) } else { 0.0 };
        gradient[0] = (before + LossScale::from_words(scaling).factor() * slope) as f32;
    }
}
