//! Reparameterization of the latents with the KL divergence from the standard normal, and their gradients.
//!
//! `heads` is `[N, 2, Z]`: mu, then logvar, each row padded with zeros to a multiple of 4. With latents on a grid it is
//! `[N, cells, 2, C]`, and z is `[N, cells, C]`.

use super::loss_scale::LossScale;
use super::step::Step;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::{params, wgsl};

/// Rounded up to a multiple of 4.
pub fn padded(channels: u32) -> u32 {
    channels.next_multiple_of(4)
}

fn vector(rows: u32, vec4s: u32) -> Shape {
    Shape::new(&[rows, 4 * vec4s])
}

fn pair(rows: u32, vec4s: u32) -> Shape {
    Shape::new(&[rows, 2, 4 * vec4s])
}

/// The indices of element `at` of `[N, Z]` in `heads`: mu's index, logvar's index, column. `heads` has mu and logvar of a
/// cell of `cell` vec4s side by side.
pub(super) fn halves(at: usize, vec4s: u32, cell: u32) -> (usize, usize, usize) {
    let [z, cell] = [4 * vec4s, 4 * cell].map(|n| n as usize);
    let mu = at / cell * 2 * cell + at % cell;
    (mu, mu + cell, at % z)
}

params! {
    /// `z[N, Z] = mu + eps * exp(logvar / 2)`, and `kl[N, 2]`, each picture's divergence from N(0, 1) in nats, plain and as
    /// a penalty: no dimension below the free bits, and as distance from the capacity.
    pub struct Reparameterize {
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

impl Op for Reparameterize {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("latent/reparameterize.wgsl"), wgsl!("loss/kl.wgsl")];
        let files =
            own.into_iter().chain([wgsl!("common/tree_sum.wgsl"), wgsl!("common/step.wgsl")]).collect();
        Kernel { name: "reparameterize", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let row = vector(self.rows, self.vec4s);
        let heads = pair(self.rows, self.vec4s);
        let kl = Shape::new(&[self.rows, 2]);
        vec![("step", Step::shape()), ("heads", heads), ("eps", row), ("z", row), ("kl", kl)]
    }

    fn groups(&self) -> u64 {
        self.rows.into()
    }

    fn flops(&self) -> u64 {
        4 * 12 * u64::from(self.rows * self.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, eps, z, kl] = buffers else { panic!("reparameterize: {} operands", buffers.len()) };
        let step = Step::from_words(step);
        for (at, value) in z.iter_mut().enumerate() {
            let (mu, logvar, column) = halves(at, self.vec4s, self.cell);
            let draw = f64::from(heads[mu]) + f64::from(eps[at]) * (0.5 * f64::from(heads[logvar])).exp();
            *value = if column < self.latent as usize { draw as f32 } else { 0.0 };
        }
        for (row, values) in kl.chunks_mut(2).enumerate() {
            let columns = || (0..self.latent as usize).map(|j| row * 4 * self.vec4s as usize + j);
            let of = |at| divergence(heads, halves(at, self.vec4s, self.cell));
            let is: f64 = columns().map(of).sum();
            let kl_penalty: f64 = columns().map(|at| of(at).max(step.free_bits.into())).sum();
            let counts = row < step.valid as usize;
            values[0] = if counts { is as f32 } else { 0.0 };
            values[1] = if counts { (kl_penalty - f64::from(step.capacity)) as f32 } else { 0.0 };
        }
    }
}

/// Divergence of one element from N(0, 1), in nats; `at` are the indices of its mu and its logvar.
fn divergence(heads: &[f32], at: (usize, usize, usize)) -> f64 {
    let (mu, logvar) = (f64::from(heads[at.0]), f64::from(heads[at.1]));
    -0.5 * (1.0 + logvar - mu * mu - logvar.exp())
}

params! {
    /// Sizes of `reparameterize_backward.wgsl`.
    pub struct ReparameterizeBackwardParams {
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

/// `dmu = dz + b mu`, `dlogvar = dz * eps * exp(logvar / 2) / 2 + b (exp(logvar) - 1) / 2`. Here b is beta times the loss
/// scale, negated below the capacity, and zero for a dimension with free bits left.
#[derive(Debug, Clone, Copy)]
pub struct ReparameterizeBackward {
    params: ReparameterizeBackwardParams,
    /// B, if the objective has an MMD penalty
    batch: Option<u32>,
}

impl ReparameterizeBackward {
    /// For `rows` pictures of `latent` dimensions in `cells` cells. With a `batch`, the gradient of its MMD is added to dz.
    pub fn new(rows: u32, latent: u32, cells: u32, batch: Option<u32>) -> Self {
        let vec4s = padded(latent) / 4;
        let params = ReparameterizeBackwardParams { rows, latent, vec4s, cell: vec4s / cells };
        Self { params, batch }
    }
}

impl Op for ReparameterizeBackward {
    fn constants(&self) -> Vec<Constant> {
        vec![("MMD", Value::Bool(self.batch.is_some()))]
    }

    fn kernel(&self) -> Kernel {
        let own = [wgsl!("latent/reparameterize_backward.wgsl"), wgsl!("loss/kl.wgsl")];
        let files =
            own.into_iter().chain([wgsl!("common/step.wgsl"), wgsl!("optimizer/loss_scale.wgsl")]).collect();
        Kernel { name: "reparameterize_backward", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let ReparameterizeBackwardParams { rows, vec4s, .. } = self.params;
        let (row, both) = (vector(rows, vec4s), pair(rows, vec4s));
        let scaling = ("scaling", LossScale::shape());
        let dmmd = ("dmmd", self.batch.map_or(Shape::new(&[4]), |batch| vector(batch, vec4s)));
        let kl = ("kl", Shape::new(&[rows, 2]));
        let (eps, dz) = (("eps", row), ("dz", row));
        vec![("step", Step::shape()), ("heads", both), eps, dz, scaling, kl, dmmd, ("dheads", both)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.rows * self.params.vec4s).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        4 * 10 * u64::from(self.params.rows * self.params.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, heads, eps, dz, scaling, kl, dmmd, dheads] = buffers else {
            panic!("reparameterize_backward: {} operands", buffers.len())
        };
        let step = Step::from_words(step);
        let factor = LossScale::from_words(scaling).factor();
        for at in 0..dz.len() {
            let (mu, logvar, column) = halves(at, self.params.vec4s, self.params.cell);
            let row = at / (4 * self.params.vec4s as usize);
            let sign = if kl[2 * row + 1] >= 0.0 { factor } else { -factor };
            let free = f64::from(step.free_bits);
            let costs = free <= 0.0 || divergence(heads, (mu, logvar, column)) >= free;
            let counts = costs && row < step.valid as usize;
            let beta = if counts { sign * f64::from(step.beta) } else { 0.0 };
            let (mut d, variance) = (f64::from(dz[at]), f64::from(heads[logvar]).exp());
            if self.batch.is_some() && row < step.valid as usize {
                let of_batch = dmmd[4 * (step.sample_offset * self.params.vec4s) as usize + at];
                d += factor * f64::from(step.mmd) * f64::from(of_batch);
            }
            let dlogvar = 0.5 * d * f64::from(eps[at]) * variance.sqrt() + beta * 0.5 * (variance - 1.0);
            let inside = column < self.params.latent as usize;
            dheads[mu] = if inside { (d + beta * f64::from(heads[mu])) as f32 } else { 0.0 };
            dheads[logvar] = if inside { dlogvar as f32 } else { 0.0 };
        }
    }
}
