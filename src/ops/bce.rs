//! Binary cross-entropy from logits, and its gradient.

use super::step::Step;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
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
    /// Partial sums of the cross-entropy, `[N, chunks]`, in nats.
    pub struct Bce {
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

impl Bce {
    /// For `images` pictures of `pixels` each.
    pub fn new(images: u32, pixels: u32) -> Self {
        Self { images, pixels, chunks: pixels.div_ceil(CHUNK), chunk: CHUNK }
    }

    /// Shape of the partial sums.
    pub fn parts(&self) -> [u32; 2] {
        [self.images, self.chunks]
    }
}

impl Op for Bce {
    fn kernel(&self) -> Kernel {
        Kernel { name: "bce", files: vec![wgsl!("bce.wgsl"), wgsl!("tree_sum.wgsl"), wgsl!("step.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.images, self.pixels, 4]);
        let out = ("out", Shape::new(&self.parts()));
        vec![("step", Step::shape()), ("logits", pictures), ("x", pictures), out]
    }

    fn groups(&self) -> u64 {
        u64::from(self.images) * u64::from(self.chunks)
    }

    fn flops(&self) -> u64 {
        3 * 8 * u64::from(self.images) * u64::from(self.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, out] = buffers else { panic!("bce: {} operands", buffers.len()) };
        let count = Step::from_words(step).count as usize;
        let [pixels, chunks, chunk] = [self.pixels, self.chunks, self.chunk].map(|v| v as usize);
        for (at, value) in out.iter_mut().enumerate() {
            let (image, begin) = (at / chunks, at % chunks * chunk);
            let term = |pixel: usize, channel: usize| {
                let i = 4 * (image * pixels + pixel) + channel;
                let (l, x) = (f64::from(logits[i]), f64::from(x[i]));
                l.max(0.0) - l * x + (-l.abs()).exp().ln_1p()
            };
            let inside = begin..pixels.min(begin + chunk);
            let sum: f64 = inside.flat_map(|p| (0..3).map(move |c| (p, c))).map(|(p, c)| term(p, c)).sum();
            *value = if image < count { sum as f32 } else { 0.0 };
        }
    }
}

params! {
    /// `dlogits = sigmoid(logits) - x`, nothing for padding.
    pub struct BceBackward {
        /// N
        images: u32,
        /// pixels of a picture
        pixels: u32,
    }
}

impl Op for BceBackward {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "bce_backward",
            files: vec![wgsl!("bce_backward.wgsl"), wgsl!("sigmoid.wgsl"), wgsl!("step.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let pictures = Shape::new(&[self.images, self.pixels, 4]);
        vec![("step", Step::shape()), ("logits", pictures), ("x", pictures), ("dlogits", pictures)]
    }

    fn groups(&self) -> u64 {
        (u64::from(self.images) * u64::from(self.pixels)).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        3 * 5 * u64::from(self.images) * u64::from(self.pixels)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, logits, x, dlogits] = buffers else { panic!("bce_backward: {} operands", buffers.len()) };
        let inside = 4 * Step::from_words(step).count as usize * self.pixels as usize;
        for (at, value) in dlogits.iter_mut().enumerate() {
            let carries = at % 4 < 3 && at < inside;
            *value = if carries { (sigmoid(logits[at].into()) - f64::from(x[at])) as f32 } else { 0.0 };
        }
    }
}
