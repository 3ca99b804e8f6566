//! The maximum error between two tensors relative to a tolerance, computed on the device for the autotuner.

use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

/// The error of an element that is not a finite number.
pub const LARGEST: f32 = 3.0e38;

params! {
    /// `out[parts]` = the largest `|got - want| / (abs + rel |want|)` of each part.
    pub struct MaxError {
        /// vec4s of `got` and `want`
        vec4s: u32,
        /// parts, one per workgroup
        parts: u32,
        /// absolute part of the tolerance
        abs: f32,
        /// relative part
        rel: f32,
    }
}

impl MaxError {
    /// For tensors of `len` elements, a multiple of 4.
    pub fn new(len: u32, abs: f32, rel: f32) -> Self {
        let vec4s = len / 4;
        Self { vec4s, parts: vec4s.div_ceil(64).clamp(1, 1024), abs, rel }
    }

    /// Elements of `out`.
    pub fn parts(&self) -> u32 {
        self.parts
    }
}

impl Op for MaxError {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "max_error",
            files: vec![wgsl!("measure/max_error.wgsl"), wgsl!("optimizer/non_finite.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let values = Shape::new(&[4 * self.vec4s]);
        vec![("got", values), ("want", values), ("out", Shape::new(&[self.parts]))]
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("Got"), Some("Want")]
    }

    fn groups(&self) -> u64 {
        self.parts.into()
    }

    fn flops(&self) -> u64 {
        5 * 4 * u64::from(self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [got, want, out] = buffers else { panic!("max_error: {} operands", buffers.len()) };
        out.fill(0.0);
        for (at, (&a, &b)) in got.iter().zip(want.iter()).enumerate() {
            let error = (f64::from(a) - f64::from(b)).abs();
            let ratio = error / (f64::from(self.abs) + f64::from(self.rel) * f64::from(b).abs());
            let ratio = if a.is_finite() && b.is_finite() { ratio as f32 } else { LARGEST };
            let part = &mut out[at / 4 / 64 % self.parts as usize];
            *part = part.max(ratio);
        }
    }
}
