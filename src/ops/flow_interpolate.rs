//! A point between noise and a latent, and the velocity of the straight line through both.

use super::elementwise::Elementwise;
use super::reparameterize::{halves, padded};
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

params! {
    /// `x_t[N, Z] = (1 - t) e + t z` and `velocity[N, Z] = z - e`, with z a draw from the posterior of `heads`,
    /// standardised.
    /// Source: Liu, Gong and Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", 2022.
    pub struct FlowInterpolate {
        /// N
        rows: u32,
        /// Z before padding
        latent: u32,
        /// vec4s of a row of z
        vec4s: u32,
        /// vec4s of a cell of z; all of a row if latents are not on a grid
        cell: u32,
    }
}

impl FlowInterpolate {
    /// For `rows` pictures of `latent` dimensions in `cells` cells.
    pub fn new(rows: u32, latent: u32, cells: u32) -> Self {
        let vec4s = padded(latent) / 4;
        Self { rows, latent, vec4s, cell: vec4s / cells }
    }
}

impl Op for FlowInterpolate {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "flow_interpolate",
            files: vec![wgsl!("flow/flow_interpolate.wgsl"), wgsl!("common/elementwise.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn constants(&self) -> Vec<Constant> {
        Elementwise::default().constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let row = Shape::new(&[self.rows, 4 * self.vec4s]);
        let pair = Shape::new(&[self.rows, 2, 4 * self.vec4s]);
        vec![
            ("heads", pair),
            ("normals", pair),
            ("standard", Shape::new(&[2, 4 * self.vec4s])),
            ("t", Shape::new(&[self.rows])),
            ("x_t", row),
            ("velocity", row),
        ]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.rows * self.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 12 * u64::from(self.rows * self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [heads, normals, standard, t, x_t, velocity] = buffers else {
            panic!("flow_interpolate: {} operands", buffers.len())
        };
        let width = 4 * self.vec4s as usize;
        for at in 0..x_t.len() {
            let (mu, logvar, column) = halves(at, self.vec4s, self.cell);
            let row = at / width;
            let [eps, e] = [0, 1].map(|half| f64::from(normals[(2 * row + half) * width + column]));
            let draw = f64::from(heads[mu]) + eps * (0.5 * f64::from(heads[logvar])).exp();
            let z = (draw - f64::from(standard[column])) / f64::from(standard[width + column]);
            let (time, inside) = (f64::from(t[row]), column < self.latent as usize);
            x_t[at] = if inside { ((1.0 - time) * e + time * z) as f32 } else { 0.0 };
            velocity[at] = if inside { (z - e) as f32 } else { 0.0 };
        }
    }
}
