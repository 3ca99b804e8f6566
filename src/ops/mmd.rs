//! Maximum mean discrepancy (MMD) between a batch's latents and the prior: the penalty of a Wasserstein auto-encoder.

use super::step::Step;
use super::totals::{MMD, TotalsSlots};
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

params! {
    /// `all[step.sample_offset + n] = z[n]` for the valid pictures of a micro-batch.
    pub struct Gather {
        /// N
        rows: u32,
        /// vec4s of a row of z
        vec4s: u32,
        /// B
        batch: u32,
    }
}

impl Op for Gather {
    fn kernel(&self) -> Kernel {
        Kernel { name: "gather", files: vec![wgsl!("loss/gather.wgsl"), wgsl!("common/step.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [z, all] = [self.rows, self.batch].map(|rows| Shape::new(&[rows, 4 * self.vec4s]));
        vec![("step", Step::shape()), ("z", z), ("all", all)]
    }

    fn groups(&self) -> u64 {
        u64::from(self.rows * self.vec4s).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        0
    }

    fn bytes(&self) -> Option<u64> {
        Some(2 * 16 * u64::from(self.rows * self.vec4s))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, z, all] = buffers else { panic!("gather: {} operands", buffers.len()) };
        let step = Step::from_words(step);
        let width = 4 * self.vec4s as usize;
        let counting = z.chunks(width).take(step.valid as usize);
        for (to, from) in all.chunks_mut(width).skip(step.sample_offset as usize).zip(counting) {
            to.copy_from_slice(from);
        }
    }
}

params! {
    /// `dz[B, Z]` = the gradient of `n MMD(z, p)` by z, and `shares[B]`, each picture's part of it.
    pub struct Mmd {
        /// B
        batch: u32,
        /// Z before padding
        latent: u32,
        /// vec4s of a row of z
        vec4s: u32,
        /// C of the kernel
        scale: f32,
    }
}

impl Mmd {
    /// For batches of `batch` pictures of `latent` dimensions. C is the expected squared distance of two draws of the
    /// prior, 2 Z, as in the paper.
    pub fn new(batch: u32, latent: u32) -> Self {
        Self { batch, latent, vec4s: super::reparameterize::padded(latent) / 4, scale: 2.0 * latent as f32 }
    }

    /// `k(a, b)`, and `a - b`.
    fn pair(&self, a: &[f32], b: &[f32]) -> (f64, Vec<f64>) {
        let columns = a.iter().zip(b).take(self.latent as usize);
        let difference: Vec<f64> = columns.map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
        let distance: f64 = difference.iter().map(|d| d * d).sum();
        (f64::from(self.scale) / (f64::from(self.scale) + distance), difference)
    }
}

impl Op for Mmd {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "mmd",
            files: vec![wgsl!("loss/mmd.wgsl"), wgsl!("common/tree_sum.wgsl"), wgsl!("common/step.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let rows = Shape::new(&[self.batch, 4 * self.vec4s]);
        let shares = Shape::new(&[self.batch]);
        vec![("step", Step::shape()), ("z", rows), ("p", rows), ("dz", rows), ("shares", shares)]
    }

    fn groups(&self) -> u64 {
        self.batch.into()
    }

    fn flops(&self) -> u64 {
        4 * 15 * u64::from(self.batch * self.vec4s) * u64::from(self.batch)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, z, p, dz, shares] = buffers else { panic!("mmd: {} operands", buffers.len()) };
        let width = 4 * self.vec4s as usize;
        let rows = |of: &[f32]| of.chunks(width).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let (z, p) = (rows(z), rows(p));
        dz.fill(0.0);
        shares.fill(0.0);
        let n = Step::from_words(step).batch.min(self.batch) as usize;
        if n < 2 {
            return;
        }
        let (same, across) = (1.0 / (n as f64 - 1.0), 1.0 / n as f64);
        for i in 0..n {
            let (mut gradient, mut share) = (vec![0.0; width], 0.0);
            let mut add = |weight: f64, (k, difference): (f64, Vec<f64>)| {
                let slope = -2.0 * k * k / f64::from(self.scale);
                gradient.iter_mut().zip(difference).for_each(|(g, d)| *g += weight * slope * d);
                k
            };
            for j in (0..n).filter(|&j| j != i) {
                // a pair of latents counts for both of them
                share += same * add(2.0 * same, self.pair(&z[i], &z[j]));
            }
            for p in &p[..n] {
                share -= 2.0 * across * add(-2.0 * across, self.pair(&z[i], p));
            }
            let prior = (0..n).filter(|&j| j != i).map(|j| same * self.pair(&p[i], &p[j]).0);
            shares[i] = (share + prior.sum::<f64>()) as f32;
            dz[i * width..(i + 1) * width].iter_mut().zip(gradient).for_each(|(d, g)| *d = g as f32);
        }
    }
}

params! {
    /// `totals[MMD]` = the sum of `shares[B]`.
    pub struct MmdTotal {
        /// B
        batch: u32,
    }
}

impl MmdTotal {
    /// For batches of `batch` pictures.
    pub fn new(batch: u32) -> Self {
        Self { batch }
    }
}

impl Op for MmdTotal {
    fn kernel(&self) -> Kernel {
        let files =
            [wgsl!("loss/mmd_total.wgsl"), wgsl!("loss/totals_slots.wgsl"), wgsl!("common/tree_sum.wgsl")];
        Kernel { name: "mmd_total", files: files.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("shares", Shape::new(&[self.batch])), ("totals", TotalsSlots::shape())]
    }

    fn groups(&self) -> u64 {
        1
    }

    fn flops(&self) -> u64 {
        self.batch.into()
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [shares, totals] = buffers else { panic!("mmd_total: {} operands", buffers.len()) };
        totals[MMD] = shares.iter().map(|&v| f64::from(v)).sum::<f64>() as f32;
    }
}
