//! The negative log-likelihood of pixels with its gradient, in one pass over them, and the sums of a loss.

use super::loss_scale::LossScale;
use super::step::Step;
use super::totals::{COUNTED, DIVERGENCE, NATS, Totalled};
use crate::config::Likelihood;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::program::Op;
use crate::{params, wgsl};

/// Pixels that one workgroup sums.
const CHUNK: u32 = 1024;

params! {
    /// Sizes of `reconstruction.wgsl`.
    pub struct ReconstructionParams {
        /// N
        images: u32,
        /// pixels of a picture
        pixels: u32,
        /// partial sums per picture
        chunks: u32,
        /// pixels in each
        chunk: u32,
        /// of an error
        weight: f32,
        /// what makes it a density, in nats per value
        norm: f32,
    }
}

/// Partial sums of `-log p(x | logits)`, `[N, chunks]`, in nats; in training also its gradient `dlogits`, times the
/// step's factor, and the gradient's partial sums per channel.
#[derive(Debug, Clone, Copy)]
pub struct Reconstruction {
    params: ReconstructionParams,
    likelihood: Likelihood,
    gradient: bool,
}

impl Reconstruction {
    /// For `images` pictures of `pixels` each.
    pub fn new(likelihood: Likelihood, images: u32, pixels: u32, gradient: bool) -> Self {
        let [weight, norm] = likelihood.constants().map(|v| v as f32);
        let chunks = pixels.div_ceil(CHUNK);
        let params = ReconstructionParams { images, pixels, chunks, chunk: CHUNK, weight, norm };
        Self { params, likelihood, gradient }
    }

    /// Shape of the partial sums: three of the gradient and the nats.
    pub fn parts(&self) -> [u32; 3] {
        [self.params.images, self.params.chunks, 4]
    }
}

impl Op for Reconstruction {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("reconstruction.wgsl"), self.likelihood.file(), self.likelihood.mean_file()];
        let shared = [wgsl!("tree_sum.wgsl"), wgsl!("step.wgsl"), wgsl!("loss_scale.wgsl")];
        Kernel { name: "reconstruction", files: own.into_iter().chain(shared).collect() }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        vec![("GRADIENT", Value::Bool(self.gradient))]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.params.images, self.params.pixels, 4]);
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
        u64::from(self.params.images) * u64::from(self.params.chunks)
    }

    fn flops(&self) -> u64 {
        let each = if self.gradient { 14 } else { 8 };
        3 * each * u64::from(self.params.images) * u64::from(self.params.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, scaling, dlogits, parts] = buffers else {
            panic!("reconstruction: {} operands", buffers.len())
        };
        let factor = LossScale::from_words(scaling).factor();
        let count = Step::from_words(step).count as usize;
        let [pixels, chunks, chunk] =
            [self.params.pixels, self.params.chunks, self.params.chunk].map(|v| v as usize);
        for (at, part) in parts.chunks_mut(4).enumerate() {
            let (image, begin) = (at / chunks, at % chunks * chunk);
            let mut sums = [0.0; 4];
            for i in 4 * (image * pixels + begin)..4 * (image * pixels + pixels.min(begin + chunk)) {
                let (l, x) = (f64::from(logits[i]), f64::from(x[i]));
                let counts = i % 4 < 3 && image < count;
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

params! {
    /// Sizes of `totals.wgsl`.
    pub struct TotalsParams {
        /// partial sums of the pixels' nats
        parts: u32,
        /// N
        rows: u32,
    }
}

/// Adds a micro-batch's nats and divergence to the totals, and ends the last bias's gradient.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    params: TotalsParams,
    accumulate: bool,
}

impl Totals {
    /// For `parts` partial sums over `rows` pictures; `accumulate` adds to the bias gradient that is there.
    pub fn new(parts: u32, rows: u32, accumulate: bool) -> Self {
        Self { params: TotalsParams { parts, rows }, accumulate }
    }
}

impl Op for Totals {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "totals",
            files: vec![wgsl!("totals.wgsl"), wgsl!("totals_slots.wgsl"), wgsl!("tree_sum.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        vec![("ACCUMULATE", Value::Bool(self.accumulate))]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![
            ("parts", Shape::new(&[self.params.parts, 4])),
            ("kl", Shape::new(&[self.params.rows, 2])),
            ("totals", Totalled::shape()),
            ("dbias", Shape::new(&[4])),
        ]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        u64::from(4 * self.params.parts + 2 * self.params.rows)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [parts, kl, totals, dbias] = buffers else { panic!("totals: {} operands", buffers.len()) };
        let sum = |channel: usize| parts.chunks(4).map(|part| f64::from(part[channel])).sum::<f64>();
        totals[NATS] = (f64::from(totals[NATS]) + sum(3)) as f32;
        let is: f64 = kl.chunks(2).map(|kl| f64::from(kl[0])).sum();
        let counted: f64 = kl.chunks(2).map(|kl| f64::from(kl[1]).abs()).sum();
        totals[DIVERGENCE] = (f64::from(totals[DIVERGENCE]) + is) as f32;
        totals[COUNTED] = (f64::from(totals[COUNTED]) + counted) as f32;
        for (channel, value) in dbias.iter_mut().enumerate() {
            let before = if self.accumulate { f64::from(*value) } else { 0.0 };
            *value = (before + if channel < 3 { sum(channel) } else { 0.0 }) as f32;
        }
    }
}
