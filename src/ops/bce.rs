//! Binary cross-entropy from logits with its gradient, in one pass over the pixels, and the sums of a loss.

use super::scaling::Scaling;
use super::step::Step;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::program::Op;
use crate::{params, wgsl};

/// Pixels that one workgroup sums.
const CHUNK: u32 = 1024;

/// The logistic function.
pub fn sigmoid(l: f64) -> f64 {
    let e = (-l.abs()).exp();
    if l >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

params! {
    /// Sizes of `bce.wgsl`.
    pub struct BceParams {
        /// N
        images: u32,
        /// pixels of a picture
        pixels: u32,
        /// partial sums per picture
        chunks: u32,
        /// pixels in each
        chunk: u32,
    }
}

/// Partial sums of the cross-entropy, `[N, chunks]`, in nats; in training also `dlogits = sigmoid(logits) - x`, times
/// the step's factor, and its partial sums per channel.
#[derive(Debug, Clone, Copy)]
pub struct Bce {
    params: BceParams,
    gradient: bool,
}

impl Bce {
    /// For `images` pictures of `pixels` each.
    pub fn new(images: u32, pixels: u32, gradient: bool) -> Self {
        let params = BceParams { images, pixels, chunks: pixels.div_ceil(CHUNK), chunk: CHUNK };
        Self { params, gradient }
    }

    /// Shape of the partial sums: three of the gradient and the cross-entropy.
    pub fn parts(&self) -> [u32; 3] {
        [self.params.images, self.params.chunks, 4]
    }
}

impl Op for Bce {
    fn kernel(&self) -> Kernel {
        let files = [wgsl!("bce.wgsl"), wgsl!("sigmoid.wgsl"), wgsl!("tree_sum.wgsl"), wgsl!("step.wgsl")];
        let files = files.into_iter().chain([wgsl!("loss_scale.wgsl")]).collect();
        Kernel { name: "bce", files }
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
            ("scaling", Scaling::shape()),
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
            panic!("bce: {} operands", buffers.len())
        };
        let factor = Scaling::from_words(scaling).factor();
        let count = Step::from_words(step).count as usize;
        let [pixels, chunks, chunk] =
            [self.params.pixels, self.params.chunks, self.params.chunk].map(|v| v as usize);
        for (at, part) in parts.chunks_mut(4).enumerate() {
            let (image, begin) = (at / chunks, at % chunks * chunk);
            let mut sums = [0.0; 4];
            for i in 4 * (image * pixels + begin)..4 * (image * pixels + pixels.min(begin + chunk)) {
                let (l, x) = (f64::from(logits[i]), f64::from(x[i]));
                let counts = i % 4 < 3 && image < count;
                let d = if counts { (factor * (sigmoid(l) - x)) as f32 } else { 0.0 };
                if self.gradient {
                    dlogits[i] = d;
                    sums[i % 4] += f64::from(d);
                }
                if counts {
                    sums[3] += l.max(0.0) - l * x + (-l.abs()).exp().ln_1p();
                }
            }
            part.copy_from_slice(&sums.map(|sum| sum as f32));
        }
    }
}

params! {
    /// Sizes of `totals.wgsl`.
    pub struct TotalsParams {
        /// partial sums of the cross-entropy
        parts: u32,
        /// N
        rows: u32,
    }
}

/// Elements of the tensor of loss totals.
pub const SLOTS: u32 = 4;

/// Adds a micro-batch's cross-entropy and divergence to the totals, and ends the last bias's gradient.
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
        Kernel { name: "totals", files: vec![wgsl!("totals.wgsl"), wgsl!("tree_sum.wgsl")] }
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
            ("kl", Shape::new(&[self.params.rows])),
            ("totals", Shape::new(&[SLOTS])),
            ("dbias", Shape::new(&[4])),
        ]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        u64::from(4 * self.params.parts + self.params.rows)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [parts, kl, totals, dbias] = buffers else { panic!("totals: {} operands", buffers.len()) };
        let sum = |channel: usize| parts.chunks(4).map(|part| f64::from(part[channel])).sum::<f64>();
        totals[0] = (f64::from(totals[0]) + sum(3)) as f32;
        totals[1] = (f64::from(totals[1]) + kl.iter().map(|&v| f64::from(v)).sum::<f64>()) as f32;
        for (channel, value) in dbias.iter_mut().enumerate() {
            let before = if self.accumulate { f64::from(*value) } else { 0.0 };
            *value = (before + if channel < 3 { sum(channel) } else { 0.0 }) as f32;
        }
    }
}
