//! From standardised latents to those of the decoder.

use super::elementwise::Elementwise;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

params! {
    /// `z[N, Z] = mean + std * x`.
    pub struct Destandardize {
        /// N
        rows: u32,
        /// vec4s of a row
        vec4s: u32,
    }
}

impl Destandardize {
    /// For `rows` rows of `width` padded latents.
    pub fn new(rows: u32, width: u32) -> Self {
        Self { rows, vec4s: width / 4 }
    }
}

impl Op for Destandardize {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "destandardize",
            files: vec![wgsl!("flow/destandardize.wgsl"), wgsl!("common/elementwise.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn constants(&self) -> Vec<Constant> {
        Elementwise::default().constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let rows = Shape::new(&[self.rows, 4 * self.vec4s]);
        vec![("x", rows), ("standard", Shape::new(&[2, 4 * self.vec4s])), ("z", rows)]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.rows * self.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 2 * u64::from(self.rows * self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, standard, z] = buffers else { panic!("destandardize: {} operands", buffers.len()) };
        let width = 4 * self.vec4s as usize;
        for (at, z) in z.iter_mut().enumerate() {
            let (mean, std) = (f64::from(standard[at % width]), f64::from(standard[width + at % width]));
            *z = (mean + std * f64::from(x[at])) as f32;
        }
    }
}
