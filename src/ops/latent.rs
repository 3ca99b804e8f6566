//! The latent space: reparameterization with the KL divergence from the standard normal, and their gradients.
//!
//! `heads` is `[N, 2, Z]`: mu, then logvar, each row padded with zeros to a multiple of 4.

use super::scaling::Scaling;
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
    /// `z[N, Z] = mu + eps * exp(logvar / 2)`, and `kl[N]`, each picture's divergence from N(0, 1) in nats.
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
        let own = [wgsl!("reparameterize.wgsl"), wgsl!("kl.wgsl")];
        let files = own.into_iter().chain([wgsl!("tree_sum.wgsl"), wgsl!("step.wgsl")]).collect();
        Kernel { name: "reparameterize", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let row = vector(self.rows, self.quads);
        let heads = pair(self.rows, self.quads);
        let kl = Shape::new(&[self.rows]);
        vec![("step", Step::shape()), ("heads", heads), ("eps", row), ("z", row), ("kl", kl)]
    }

    fn groups(&self) -> u64 {
        self.rows.into()
    }

    fn flops(&self) -> u64 {
        4 * 10 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, eps, z, kl] = buffers else { panic!("reparameterize: {} operands", buffers.len()) };
        let (count, width) = (Step::from_words(step).count as usize, 4 * self.quads as usize);
        for (at, value) in z.iter_mut().enumerate() {
            let (mu, logvar, column) = halves(at, self.quads);
            let draw = f64::from(heads[mu]) + f64::from(eps[at]) * (0.5 * f64::from(heads[logvar])).exp();
            *value = if column < self.latent as usize { draw as f32 } else { 0.0 };
        }
        for (row, value) in kl.iter_mut().enumerate() {
            let term = |j: usize| {
                let (mu, logvar, _) = halves(row * width + j, self.quads);
                let (mu, logvar) = (f64::from(heads[mu]), f64::from(heads[logvar]));
                -0.5 * (1.0 + logvar - mu * mu - logvar.exp())
            };
            *value = if row < count { (0..width).map(term).sum::<f64>() as f32 } else { 0.0 };
        }
    }
}

params! {
    /// `dmu = dz + beta mu`, `dlogvar = dz * eps * exp(logvar / 2) / 2 + beta (exp(logvar) - 1) / 2`, beta times the step's factor.
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
        let own = [wgsl!("reparameterize_backward.wgsl"), wgsl!("kl.wgsl")];
        let files = own.into_iter().chain([wgsl!("step.wgsl"), wgsl!("loss_scale.wgsl")]).collect();
        Kernel { name: "reparameterize_backward", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let (row, both) = (vector(self.rows, self.quads), pair(self.rows, self.quads));
        let scaling = ("scaling", Scaling::shape());
        vec![("step", Step::shape()), ("heads", both), ("eps", row), ("dz", row), scaling, ("dheads", both)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.quads).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        4 * 10 * u64::from(self.rows * self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, eps, dz, scaling, dheads] = buffers else {
            panic!("reparameterize_backward: {} operands", buffers.len())
        };
        let step = Step::from_words(step);
        let factor = Scaling::from_words(scaling).factor();
        for at in 0..dz.len() {
            let (mu, logvar, column) = halves(at, self.quads);
            let counts = at / (4 * self.quads as usize) < step.count as usize;
            let beta = if counts { factor * f64::from(step.beta) } else { 0.0 };
            let (d, variance) = (f64::from(dz[at]), f64::from(heads[logvar]).exp());
            let dlogvar = 0.5 * d * f64::from(eps[at]) * variance.sqrt() + beta * 0.5 * (variance - 1.0);
            let inside = column < self.latent as usize;
            dheads[mu] = if inside { (d + beta * f64::from(heads[mu])) as f32 } else { 0.0 };
            dheads[logvar] = if inside { dlogvar as f32 } else { 0.0 };
        }
    }
}
