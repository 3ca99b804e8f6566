//! Dynamic loss scale of f16 training: the loss's gradient is multiplied by it, and Adam divides by it.
//!
//! It is adapted on the device, so that no step waits for the host and equal runs give equal bits.

use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

/// Good steps in a row before the factor is doubled. PyTorch's 2000 are more than a small training has.
pub const INTERVAL: u32 = 200;

/// Bounds of the exponent, as `update_loss_scale.wgsl` has them.
const BOUNDS: [i32; 2] = [-16, 24];

/// The state on the device between steps: the words of `scaling`.
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
    /// the factor's logarithm to base 2
    pub exponent: i32,
    /// 1 if a gradient of the step has an infinity or a NaN, else 0
    #[serde(alias = "found")]
    pub found_inf: u32,
    /// steps in a row without one
    #[serde(alias = "good")]
    pub growth_tracker: u32,
    /// skipped steps since the start, which had one and changed nothing
    pub skipped: u32,
}

impl LossScale {
    /// The initial state of f16 training. Gradients of sums over pixels are up to about 10, which leaves room below f16's
    /// maximum of 65,504; the first overflow halves the factor.
    pub const START: Self = Self { exponent: 10, found_inf: 0, growth_tracker: 0, skipped: 0 };

    /// The operand's shape.
    pub fn shape() -> Shape {
        Shape::new(&[4])
    }

    /// From the words that a twin or a read-back gets.
    pub fn from_words(words: &[f32]) -> Self {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
    }

    /// The factor.
    pub fn factor(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    /// The twin of `update_loss_scale.wgsl`.
    fn rescaled(self, interval: u32) -> Self {
        let [least, most] = BOUNDS;
        let Self { exponent, found_inf, growth_tracker, skipped } = self;
        match (found_inf, growth_tracker + 1) {
            (0, growth_tracker) if growth_tracker == interval => {
                Self { exponent: (exponent + 1).min(most), found_inf, growth_tracker: 0, skipped }
            }
            (0, growth_tracker) => Self { exponent, found_inf, growth_tracker, skipped },
            _ => Self {
                exponent: (exponent - 1).max(least),
                found_inf: 0,
                growth_tracker: 0,
                skipped: skipped + 1,
            },
        }
    }
}

params! {
    /// `scaling.found_inf` = 1 if `grad[4 vec4s]` has an infinity or a NaN.
    pub struct FindNonFinite {
        /// vec4s of the gradient
        vec4s: u32,
    }
}

impl FindNonFinite {
    /// For a gradient of `len` elements, a multiple of 4.
    pub fn new(len: u32) -> Self {
        Self { vec4s: len / 4 }
    }
}

impl Op for FindNonFinite {
    fn kernel(&self) -> Kernel {
        let files = vec![
            wgsl!("optimizer/find_non_finite.wgsl"),
            wgsl!("optimizer/non_finite.wgsl"),
            wgsl!("optimizer/loss_scale.wgsl"),
        ];
        Kernel { name: "find_non_finite", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("grad", Shape::new(&[4 * self.vec4s])), ("scaling", LossScale::shape())]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        0
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [grad, scaling] = buffers else { panic!("find_non_finite: {} operands", buffers.len()) };
        if !grad.iter().all(|g| g.is_finite()) {
            scaling[1] = f32::from_bits(1);
        }
    }
}

params! {
    /// Ends a step: adapts `scaling` and clears `found_inf`.
    pub struct UpdateLossScale {
        /// good steps before the factor is doubled
        interval: u32,
    }
}

impl Op for UpdateLossScale {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "update_loss_scale",
            files: vec![wgsl!("optimizer/update_loss_scale.wgsl"), wgsl!("optimizer/loss_scale.wgsl")],
        }
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
        let [scaling] = buffers else { panic!("update_loss_scale: {} operands", buffers.len()) };
        let after = LossScale::from_words(scaling).rescaled(self.interval);
        scaling.copy_from_slice(bytemuck::cast_slice(&[after]));
    }
}
