//! The latent space: reparameterization, KL divergence from the standard normal, and their gradients.
//!
//! `heads` is `[N, 2, Z]`: mu, then logvar, each row padded with zeros to a multiple of 4.

use super::step::Step;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::{params, wgsl};

/// Rounded up to a multiple of 4.
pub fn padded(channels: u32) -> u32 {
    channels.next_multiple_of(4)
}

fn vector(rows: u32, quads: u32) -> Shape {
    Shape::new(&[rows, 4 * quads])
}

fn pair(rows: u32, quads: u32) -> Shape {
    Shape::new(&[rows, 2, 4 * quads])
}

/// Where element `at` of `[N, Z]` lies in the halves of `[N, 2, Z]`: mu's index, logvar's index, column.
fn halves(at: usize, quads: u32) -> (usize, usize, usize) {
    let z = 4 * quads as usize;
    let mu = at / z * 2 * z + at % z;
    (mu, mu + z, at % z)
}

params! {
    /// `z[N, Z] = mu + eps * exp(logvar / 2)`.
    pub struct Reparameterize {
        /// N
        rows: u32,
        /// Z before padding
        latent: u32,
        /// vec4s of a row of z
        quads: u32,
    }
}

impl Op for Reparameterize {
    fn kernel(&self) -> Kernel {
        Kernel { name: "reparameterize", files: vec![wgsl!("reparameterize.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let row = vector(self.rows, self.quads);
        vec![("heads", pair(self.rows, self.quads)), ("eps", row), ("z", row)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.quads).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        4 * 4 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [heads, eps, z] = buffers else { panic!("reparameterize: {} operands", buffers.len()) };
        for (at, value) in z.iter_mut().enumerate() {
            let (mu, logvar, column) = halves(at, self.quads);
            let draw = f64::from(heads[mu]) + f64::from(eps[at]) * (0.5 * f64::from(heads[logvar])).exp();
            *value = if column < self.latent as usize { draw as f32 } else { 0.0 };
        }
    }
}

params! {
    /// `dmu = dz`, `dlogvar = dz * eps * exp(logvar / 2) / 2`.
    pub struct ReparameterizeBackward {
        /// N
        rows: u32,
        /// Z before padding
        latent: u32,
        /// vec4s of a row of z
        quads: u32,
    }
}

impl Op for ReparameterizeBackward {
    fn kernel(&self) -> Kernel {
        Kernel { name: "reparameterize_backward", files: vec![wgsl!("reparameterize_backward.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let (row, both) = (vector(self.rows, self.quads), pair(self.rows, self.quads));
        vec![("heads", both), ("eps", row), ("dz", row), ("dheads", both)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.quads).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        4 * 5 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [heads, eps, dz, dheads] = buffers else {
            panic!("reparameterize_backward: {} operands", buffers.len())
        };
        for at in 0..dz.len() {
            let (mu, logvar, column) = halves(at, self.quads);
            let d = if column < self.latent as usize { f64::from(dz[at]) } else { 0.0 };
            let deviation = (0.5 * f64::from(heads[logvar])).exp();
            dheads[mu] = d as f32;
            dheads[logvar] = if d == 0.0 { 0.0 } else { (0.5 * d * f64::from(eps[at]) * deviation) as f32 };
        }
    }
}

params! {
    /// `out[N]` = KL(N(mu, exp(logvar)) || N(0, 1)) of each picture, in nats.
    pub struct Kl {
        /// N
        rows: u32,
        /// vec4s of a row
        quads: u32,
    }
}

impl Op for Kl {
    fn kernel(&self) -> Kernel {
        Kernel { name: "kl", files: vec![wgsl!("kl.wgsl"), wgsl!("tree_sum.wgsl"), wgsl!("step.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let heads = ("heads", pair(self.rows, self.quads));
        vec![("step", Step::shape()), heads, ("out", Shape::new(&[self.rows]))]
    }

    fn groups(&self) -> u64 {
        self.rows.into()
    }

    fn flops(&self) -> u64 {
        4 * 6 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, out] = buffers else { panic!("kl: {} operands", buffers.len()) };
        let (count, z) = (Step::from_words(step).count as usize, 4 * self.quads as usize);
        for (row, value) in out.iter_mut().enumerate() {
            let term = |j: usize| {
                let (mu, logvar, _) = halves(row * z + j, self.quads);
                let (mu, logvar) = (f64::from(heads[mu]), f64::from(heads[logvar]));
                -0.5 * (1.0 + logvar - mu * mu - logvar.exp())
            };
            *value = if row < count { (0..z).map(term).sum::<f64>() as f32 } else { 0.0 };
        }
    }
}

params! {
    /// `dmu += beta mu`, `dlogvar += beta (exp(logvar) - 1) / 2`.
    pub struct KlBackward {
        /// N
        rows: u32,
        /// vec4s of a row
        quads: u32,
    }
}

impl Op for KlBackward {
    fn kernel(&self) -> Kernel {
        Kernel { name: "kl_backward", files: vec![wgsl!("kl_backward.wgsl"), wgsl!("step.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let both = pair(self.rows, self.quads);
        vec![("step", Step::shape()), ("heads", both), ("dheads", both)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.quads).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        4 * 6 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, dheads] = buffers else { panic!("kl_backward: {} operands", buffers.len()) };
        let step = Step::from_words(step);
        let (beta, z) = (f64::from(step.beta), 4 * self.quads as usize);
        for at in 0..step.count.min(self.rows) as usize * z {
            let (mu, logvar, _) = halves(at, self.quads);
            let mut add = |i: usize, d: f64| dheads[i] = (f64::from(dheads[i]) + beta * d) as f32;
            add(mu, heads[mu].into());
            add(logvar, 0.5 * (f64::from(heads[logvar]).exp() - 1.0));
        }
    }
}
