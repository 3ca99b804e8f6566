//! Gradient clipping: the norm of a batch's gradient, and the factor that bounds it.

use super::loss_scale::LossScale;
use super::step::Step;
use super::totals::{CLIP_FACTOR, GRAD_NORM, TotalsSlots};
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

/// The maximum number of parts of a sum of squares, which one workgroup then adds.
const MAX_PARTS: u32 = 4096;

params! {
    /// `parts[p]` = the sum of the squares of the p-th part of `values`.
    pub struct SquareSum {
        /// vec4s of the vector
        vec4s: u32,
        /// vec4s of a part
        part: u32,
        /// parts
        parts: u32,
    }
}

impl SquareSum {
    /// For a vector of `len` elements, a multiple of 4.
    pub fn new(len: u32) -> Self {
        let vec4s = len / 4;
        let part = vec4s.div_ceil(MAX_PARTS).max(256);
        Self { vec4s, part, parts: vec4s.div_ceil(part) }
    }

    /// Elements of `parts`.
    pub fn parts(&self) -> u32 {
        self.parts
    }
}

impl Op for SquareSum {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "square_sum",
            files: vec![wgsl!("optimizer/square_sum.wgsl"), wgsl!("common/tree_sum.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("values", Shape::new(&[4 * self.vec4s])), ("parts", Shape::new(&[self.parts]))]
    }

    fn groups(&self) -> u64 {
        self.parts.into()
    }

    fn flops(&self) -> u64 {
        8 * u64::from(self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [values, parts] = buffers else { panic!("square_sum: {} operands", buffers.len()) };
        for (part, values) in parts.iter_mut().zip(values.chunks(4 * self.part as usize)) {
            *part = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32;
        }
    }
}

params! {
    /// `totals[GRAD_NORM]` = the norm of the gradient per picture, `totals[CLIP_FACTOR]` = the factor that bounds it by
    /// `most`.
    pub struct Clip {
        /// parts of the sum of squares
        parts: u32,
        /// the maximum norm
        most: f32,
    }
}

impl Clip {
    /// For `parts` sums of squares.
    pub fn new(parts: u32, most: f32) -> Self {
        Self { parts, most }
    }
}

impl Op for Clip {
    fn kernel(&self) -> Kernel {
        let own = [
            wgsl!("optimizer/grad_clip.wgsl"),
            wgsl!("loss/totals_slots.wgsl"),
            wgsl!("common/tree_sum.wgsl"),
        ];
        let files =
            own.into_iter().chain([wgsl!("common/step.wgsl"), wgsl!("optimizer/loss_scale.wgsl")]).collect();
        Kernel { name: "grad_clip", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let squares = Shape::new(&[self.parts]);
        let scaling = LossScale::shape();
        vec![
            ("step", Step::shape()),
            ("squares", squares),
            ("scaling", scaling),
            ("totals", TotalsSlots::shape()),
        ]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        self.parts.into()
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, squares, scaling, totals] = buffers else {
            panic!("grad_clip: {} operands", buffers.len())
        };
        let pictures = f64::from(Step::from_words(step).batch.max(1));
        let sum: f64 = squares.iter().map(|&v| f64::from(v)).sum();
        let norm = sum.sqrt() / LossScale::from_words(scaling).factor() / pictures;
        totals[GRAD_NORM] = norm as f32;
        totals[CLIP_FACTOR] = (f64::from(self.most) / (norm + 1e-6)).min(1.0) as f32;
    }
}
