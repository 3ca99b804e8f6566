//! The factor on the gradients of a step in f16: applied where they begin, taken off by Adam, adapted in between,
//! all on the device, so that no step waits for the host and the same run gives the same bits.

use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::{params, wgsl};

/// Good steps in a row before the factor is doubled. PyTorch waits for 2000; small trainings end before that.
pub const INTERVAL: u32 = 200;

/// Bounds of the exponent, as `rescale.wgsl` has them.
const BOUNDS: [i32; 2] = [-16, 24];

/// What the device keeps from step to step, the words of `scaling`.
#[repr(C)]
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    bytemuck::Pod,
    bytemuck::Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// the factor is two to this
    pub exponent: i32,
    /// whether the step's gradients hold something that is no finite number: 1 or 0
    pub found: u32,
    /// steps in a row without
    pub good: u32,
    /// steps with, since the start: they changed nothing
    pub skipped: u32,
}

impl LossScale {
    /// Where a training in f16 begins. Gradients of sums over pixels are up to about 10; this leaves room for
    /// them below 65,504, and the first overflow halves it.
    pub const START: Self = Self { exponent: 10, found: 0, good: 0, skipped: 0 };

    /// The operand's shape.
    pub fn shape() -> Shape {
        Shape::new(&[4])
    }

    /// Read from the words that a twin or a read-back gets.
    pub fn from_words(words: &[f32]) -> Self {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
    }

    /// The factor.
    pub fn factor(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    /// The twin of `rescale.wgsl`.
    fn rescaled(self, interval: u32) -> Self {
        let [least, most] = BOUNDS;
        let Self { exponent, found, good, skipped } = self;
        match (found, good + 1) {
            (0, good) if good == interval => {
                Self { exponent: (exponent + 1).min(most), found, good: 0, skipped }
            }
            (0, good) => Self { exponent, found, good, skipped },
            _ => Self { exponent: (exponent - 1).max(least), found: 0, good: 0, skipped: skipped + 1 },
        }
    }
}

params! {
    /// `scaling.found` = 1 where `grad[4 quads]` holds something that is no finite number.
    pub struct CheckGradient {
        /// vec4s of the gradient
        quads: u32,
    }
}

impl CheckGradient {
    /// For a gradient of `len` elements, a multiple of 4.
    pub fn new(len: u32) -> Self {
        Self { quads: len / 4 }
    }
}

impl Op for CheckGradient {
    fn kernel(&self) -> Kernel {
        let files = vec![wgsl!("check_gradient.wgsl"), wgsl!("infinite.wgsl"), wgsl!("loss_scale.wgsl")];
        Kernel { name: "check_gradient", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("grad", Shape::new(&[4 * self.quads])), ("scaling", LossScale::shape())]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        0
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [grad, scaling] = buffers else { panic!("check_gradient: {} operands", buffers.len()) };
        if !grad.iter().all(|g| g.is_finite()) {
            scaling[1] = f32::from_bits(1);
        }
    }
}

params! {
    /// Ends a step: adapts `scaling`, and clears the finding.
    pub struct Rescale {
        /// good steps before the factor is doubled
        interval: u32,
    }
}

impl Op for Rescale {
    fn kernel(&self) -> Kernel {
        Kernel { name: "rescale", files: vec![wgsl!("rescale.wgsl"), wgsl!("loss_scale.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("scaling", LossScale::shape())]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        0
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [scaling] = buffers else { panic!("rescale: {} operands", buffers.len()) };
        let after = LossScale::from_words(scaling).rescaled(self.interval);
        scaling.copy_from_slice(bytemuck::cast_slice(&[after]));
    }
}
