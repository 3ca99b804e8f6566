//! The sums over a batch that come back to the host.

use crate::gpu::Shape;

/// Nats of the pixels; this and the next five are what `totals_slots.wgsl` says.
pub const NATS: usize = 0;
/// KL, in nats.
pub const DIVERGENCE: usize = 1;
/// KL as the objective counts it.
pub const COUNTED: usize = 2;
/// n MMD.
pub const DISCREPANCY: usize = 3;
/// Norm of the gradient, per picture.
pub const NORM: usize = 4;
/// What the gradient is multiplied by.
pub const CLIPPED: usize = 5;

/// The tensor of these sums.
pub struct Totalled;

impl Totalled {
    /// The operand's shape.
    pub fn shape() -> Shape {
        Shape::new(&[8])
    }
}
