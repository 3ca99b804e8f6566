//! The sums over a batch that the host reads back: losses and the gradient's norm.

use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::{params, wgsl};

/// Nats of the pixels. This constant and the next six are the slots of `totals_slots.wgsl`.
pub const NLL: usize = 0;
/// KL, in nats.
pub const KL: usize = 1;
/// KL penalty: after free bits, as distance from the capacity.
pub const KL_PENALTY: usize = 2;
/// n MMD.
pub const MMD: usize = 3;
/// Norm of the gradient per picture.
pub const GRAD_NORM: usize = 4;
/// The factor on the gradient by clipping.
pub const CLIP_FACTOR: usize = 5;
/// Squared errors of each channel. The first shares the slot of the nats: the likelihood that needs these sums has no
/// nats but those that the host makes of them.
pub const SQUARED_ERRORS: [usize; 3] = [NLL, 6, 7];

/// The tensor of these sums.
pub struct TotalsSlots;

impl TotalsSlots {
    /// The operand's shape.
    pub fn shape() -> Shape {
        Shape::new(&[8])
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

/// Adds a micro-batch's nats and KL to the totals, and adds up the gradient of the last bias.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    params: TotalsParams,
    accumulate: bool,
}

impl Totals {
    /// For `parts` partial sums over `rows` pictures; `accumulate` adds to the previous bias gradient.
    pub fn new(parts: u32, rows: u32, accumulate: bool) -> Self {
        Self { params: TotalsParams { parts, rows }, accumulate }
    }
}

impl Op for Totals {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "totals",
            files: vec![
                wgsl!("loss/totals.wgsl"),
                wgsl!("loss/sum_parts.wgsl"),
                wgsl!("loss/totals_slots.wgsl"),
                wgsl!("common/tree_sum.wgsl"),
            ],
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
            ("totals", TotalsSlots::shape()),
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
        totals[NLL] = (f64::from(totals[NLL]) + sum(3)) as f32;
        let is: f64 = kl.chunks(2).map(|kl| f64::from(kl[0])).sum();
        let kl_penalty: f64 = kl.chunks(2).map(|kl| f64::from(kl[1]).abs()).sum();
        totals[KL] = (f64::from(totals[KL]) + is) as f32;
        totals[KL_PENALTY] = (f64::from(totals[KL_PENALTY]) + kl_penalty) as f32;
        for (channel, value) in dbias.iter_mut().enumerate() {
            let before = if self.accumulate { f64::from(*value) } else { 0.0 };
            *value = (before + if channel < 3 { sum(channel) } else { 0.0 }) as f32;
        }
    }
}
