//! The reconstruction loss: negative log-likelihood of the pixels, and its gradient, in one pass over them.

use super::loss_scale::LossScale;
use super::step::Step;
use crate::config::Likelihood;
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
/// scale, and the gradient's partial sums per channel.
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
}

impl Op for Reconstruction {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("loss/reconstruction.wgsl"), self.likelihood.file(), self.likelihood.mean_file()];
        let shared =
            [wgsl!("common/tree_sum.wgsl"), wgsl!("common/step.wgsl"), wgsl!("optimizer/loss_scale.wgsl")];
        Kernel { name: "reconstruction", files: own.into_iter().chain(shared).collect() }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        vec![("GRADIENT", Value::Bool(self.gradient))]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.params.batch, self.params.pixels, 4]);
        let dlogits = if self.gradient { pictures } else { Shape::new(&[4]) };
        let parts = Shape::new(&self.parts());
        vec![
            ("step", Step::shape()),
            ("logits", pictures),
            ("x", pictures),
            ("scaling", LossScale::shape()),
            ("dlogits", dlogits),
            ("parts", parts),
        ]
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.batch) * u64::from(self.params.chunks)
    }

    fn flops(&self) -> u64 {
        let each = if self.gradient { 14 } else { 8 };
        3 * each * u64::from(self.params.batch) * u64::from(self.params.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, scaling, dlogits, parts] = buffers else {
            panic!("reconstruction: {} operands", buffers.len())
        };
        let factor = LossScale::from_words(scaling).factor();
        let count = Step::from_words(step).valid as usize;
        let [pixels, chunks, chunk] =
            [self.params.pixels, self.params.chunks, self.params.chunk].map(|v| v as usize);
        for (at, part) in parts.chunks_mut(4).enumerate() {
            let (picture, begin) = (at / chunks, at % chunks * chunk);
            let mut sums = [0.0; 4];
            for i in 4 * (picture * pixels + begin)..4 * (picture * pixels + pixels.min(begin + chunk)) {
                let (l, x) = (f64::from(logits[i]), f64::from(x[i]));
                let counts = i % 4 < 3 && picture < count;
                let d = if counts { (factor * self.likelihood.nats_by_logit(l, x)) as f32 } else { 0.0 };
                if self.gradient {
                    dlogits[i] = d;
                    sums[i % 4] += f64::from(d);
                }
                if counts {
                    sums[3] += self.likelihood.nats(l, x);
                }
            }
            part.copy_from_slice(&sums.map(|sum| sum as f32));
        }
    }
}
