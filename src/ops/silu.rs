//! SiLU and its gradient.

use super::elementwise::Elementwise;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

/// `x * sigmoid(x)`.
/// Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation", 2018.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// The derivative of [`silu`].
pub fn silu_slope(x: f64) -> f64 {
    let s = 1.0 / (1.0 + (-x).exp());
    s * (1.0 + x * (1.0 - s))
}

params! {
    /// `y = silu(x)`.
    pub struct Silu {
        /// vec4s of x
        vec4s: u32,
    }
}

impl Silu {
    /// For `len` elements, a multiple of 4.
    pub fn new(len: u32) -> Self {
        Self { vec4s: len / 4 }
    }
}

impl Op for Silu {
    fn kernel(&self) -> Kernel {
        let files = [wgsl!("flow/silu.wgsl"), wgsl!("common/silu.wgsl"), wgsl!("common/elementwise.wgsl")];
        Kernel { name: "silu", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn constants(&self) -> Vec<Constant> {
        Elementwise::default().constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let all = Shape::new(&[4 * self.vec4s]);
        vec![("x", all), ("y", all)]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 4 * u64::from(self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, y] = buffers else { panic!("silu: {} operands", buffers.len()) };
        y.iter_mut().zip(x).for_each(|(y, x)| *y = silu(f64::from(*x)) as f32);
    }
}

params! {
    /// `dx = dy * silu'(x)`.
    pub struct SiluBackward {
        /// vec4s of x
        vec4s: u32,
    }
}

impl SiluBackward {
    /// For `len` elements, a multiple of 4.
    pub fn new(len: u32) -> Self {
        Self { vec4s: len / 4 }
    }
}

impl Op for SiluBackward {
    fn kernel(&self) -> Kernel {
        let files =
            [wgsl!("flow/silu_backward.wgsl"), wgsl!("common/silu.wgsl"), wgsl!("common/elementwise.wgsl")];
        Kernel { name: "silu_backward", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn constants(&self) -> Vec<Constant> {
        Elementwise::default().constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let all = Shape::new(&[4 * self.vec4s]);
        vec![("x", all), ("dy", all), ("dx", all)]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 8 * u64::from(self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, dy, dx] = buffers else { panic!("silu_backward: {} operands", buffers.len()) };
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            *dx = (f64::from(*dy) * silu_slope(f64::from(*x))) as f32;
        }
    }
}
