//! The reconstruction loss: negative log-likelihood of the pixels, and its gradient, in one pass over them.

use super::log_sigma::variance_of;
use super::loss_scale::LossScale;
use super::squared_error::{ErrorSums, LEAST_VARIANCE};
use super::step::Step;
use super::totals::TotalsSlots;
use crate::config::{Likelihood, Sigma};
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::{params, wgsl};

/// Pixels that one workgroup sums.
const CHUNK: u32 = 1024;

params! {
    /// Sizes of `reconstruction.wgsl`.
    pub struct ReconstructionParams {
        /// N
        batch: u32,
        /// pixels of a picture
        pixels: u32,
        /// partial sums per picture
        chunks: u32,
        /// pixels in each
        chunk: u32,
        /// weight of an error
        weight: f32,
        /// logarithm of the normaliser, in nats per value
        norm: f32,
    }
}

/// Partial sums of `-log p(x | logits)`, `[N, chunks]`, in nats. In training also the gradient `dlogits`, times the loss
/// scale, and the gradient's partial sums per channel. A `gaussian` of the best width has no nats here, and reads the
/// batch's squared errors from the totals; one of a learned width reads `log_sigma`.
#[derive(Debug, Clone, Copy)]
pub struct Reconstruction {
    params: ReconstructionParams,
    likelihood: Likelihood,
    gradient: bool,
}

impl Reconstruction {
    /// For `batch` pictures of `pixels` each.
    pub fn new(likelihood: Likelihood, batch: u32, pixels: u32, gradient: bool) -> Self {
        let [weight, norm] = likelihood.constants().map(|v| v as f32);
        let chunks = pixels.div_ceil(CHUNK);
        let params = ReconstructionParams { batch, pixels, chunks, chunk: CHUNK, weight, norm };
        Self { params, likelihood, gradient }
    }

    /// Shape of the partial sums: three channels of the gradient, and the nats.
    pub fn parts(&self) -> [u32; 3] {
        [self.params.batch, self.params.chunks, 4]
    }

    /// Operand of a width that varies: the batch's totals with its squared errors, or the parameter.
    fn sigma_operand(&self) -> Option<(&'static str, Shape)> {
        let of = self.likelihood;
        let fitted = of.fits_sigma().then(|| ("squared_errors", TotalsSlots::shape()));
        fitted.or(of.learns_sigma().then(|| ("log_sigma", Shape::new(&[4]))))
    }

    fn per_channel(&self) -> bool {
        self.likelihood.sigma == Sigma::Channel
    }

    /// The likelihood of each channel, for the operand of its width if there is one.
    fn likelihoods(&self, step: Step, sigma: Option<&Vec<f32>>) -> [Likelihood; 3] {
        let Some(totals) = sigma else { return [self.likelihood; 3] };
        if self.likelihood.learns_sigma() {
            return [Likelihood::of_variance(variance_of(totals[0].into())); 3];
        }
        let values = f64::from(step.batch.max(1)) * f64::from(self.params.pixels);
        let errors = ErrorSums::of_totals(totals, values, self.per_channel());
        errors.variances().map(Likelihood::of_variance)
    }
}

impl Op for Reconstruction {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("loss/reconstruction.wgsl"), self.likelihood.file(), self.likelihood.mean_file()];
        let shared =
            [wgsl!("common/tree_sum.wgsl"), wgsl!("common/step.wgsl"), wgsl!("optimizer/loss_scale.wgsl")];
        let slots = self.likelihood.fits_sigma().then_some(wgsl!("loss/totals_slots.wgsl"));
        Kernel { name: "reconstruction", files: own.into_iter().chain(shared).chain(slots).collect() }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = vec![("GRADIENT", Value::Bool(self.gradient))];
        if self.likelihood.fits_sigma() {
            all.push(("PER_CHANNEL", Value::Bool(self.per_channel())));
        }
        if self.sigma_operand().is_some() {
            all.push(("LEAST_VARIANCE", Value::F32(LEAST_VARIANCE as f32)));
        }
        all
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.params.batch, self.params.pixels, 4]);
        let dlogits = if self.gradient { pictures } else { Shape::new(&[4]) };
        let parts = Shape::new(&self.parts());
        let all = [
            ("step", Step::shape()),
            ("logits", pictures),
            ("x", pictures),
            ("scaling", LossScale::shape()),
            ("dlogits", dlogits),
            ("parts", parts),
        ];
        all.into_iter().chain(self.sigma_operand()).collect()
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.batch) * u64::from(self.params.chunks)
    }

    fn flops(&self) -> u64 {
        let each = if self.gradient { 14 } else { 8 };
        3 * each * u64::from(self.params.batch) * u64::from(self.params.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, scaling, dlogits, parts, sigma @ ..] = buffers else {
            panic!("reconstruction: {} operands", buffers.len())
        };
        let factor = LossScale::from_words(scaling).factor();
        let step = Step::from_words(step);
        let count = step.valid as usize;
        let likelihoods = self.likelihoods(step, sigma.first());
        let [pixels, chunks, chunk] =
            [self.params.pixels, self.params.chunks, self.params.chunk].map(|v| v as usize);
        for (at, part) in parts.chunks_mut(4).enumerate() {
            let (picture, begin) = (at / chunks, at % chunks * chunk);
            let mut sums = [0.0; 4];
            for i in 4 * (picture * pixels + begin)..4 * (picture * pixels + pixels.min(begin + chunk)) {
                let (l, x) = (f64::from(logits[i]), f64::from(x[i]));
                let counts = i % 4 < 3 && picture < count;
                let by_logit = || likelihoods[i % 4].nats_by_logit(l, x);
                let d = if counts { (factor * by_logit()) as f32 } else { 0.0 };
                if self.gradient {
                    dlogits[i] = d;
                    sums[i % 4] += f64::from(d);
                }
                if counts && !self.likelihood.fits_sigma() {
                    sums[3] += likelihoods[i % 4].nats(l, x);
                }
            }
            part.copy_from_slice(&sums.map(|sum| sum as f32));
        }
    }
}
