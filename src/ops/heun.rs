//! One half of a step of Heun's method along a flow, with classifier-free guidance.

use super::elementwise::Elementwise;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

params! {
    /// Sizes of `heun.wgsl`.
    pub struct HeunParams {
        /// pictures
        rows: u32,
        /// vec4s of a row
        vec4s: u32,
        /// the time of a step
        dt: f32,
        /// weight of the class
        guidance: f32,
    }
}

/// `first = v, input = x + dt v, t += dt`, or the correction `x += dt / 2 (first + v), input = x`. `v` is `velocity`; with
/// guidance g it is `v0 + g (v1 - v0)` of `v1`, the velocity with a class in the first half of the rows, and `v0`, that
/// without one in the second half.
/// Source: Ho and Salimans, "Classifier-free diffusion guidance", 2022.
#[derive(Debug, Clone, Copy)]
pub struct Heun {
    params: HeunParams,
    guided: bool,
    correct: bool,
}

impl Heun {
    /// The prediction for `rows` pictures of `width` padded latents, in one of `steps` steps.
    pub fn predict(rows: u32, width: u32, steps: u32, guidance: Option<f32>) -> Self {
        let (dt, vec4s) = (1.0 / steps as f32, width / 4);
        let params = HeunParams { rows, vec4s, dt, guidance: guidance.unwrap_or(1.0) };
        Self { params, guided: guidance.is_some(), correct: false }
    }

    /// The correction that follows the prediction.
    pub fn correct(self) -> Self {
        Self { correct: true, ..self }
    }
}

impl Op for Heun {
    fn kernel(&self) -> Kernel {
        Kernel { name: "heun", files: vec![wgsl!("flow/heun.wgsl"), wgsl!("common/elementwise.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let own = [("GUIDED", Value::Bool(self.guided)), ("CORRECT", Value::Bool(self.correct))];
        Elementwise::default().constants().into_iter().chain(own).collect()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let rows = if self.guided { 2 * self.params.rows } else { self.params.rows };
        let all = Shape::new(&[rows, 4 * self.params.vec4s]);
        let pictures = Shape::new(&[self.params.rows, 4 * self.params.vec4s]);
        vec![
            ("velocity", all),
            ("t", Shape::new(&[rows])),
            ("first", pictures),
            ("x", pictures),
            ("input", all),
        ]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.params.rows * self.params.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 6 * u64::from(self.params.rows * self.params.vec4s)
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [velocity, t, first, x, input] = buffers else { panic!("heun: {} operands", buffers.len()) };
        let HeunParams { dt, guidance, .. } = self.params;
        let (dt, guidance, half) = (f64::from(dt), f64::from(guidance), x.len());
        for at in 0..half {
            let mut v = f64::from(velocity[at]);
            if self.guided {
                let without = f64::from(velocity[at + half]);
                v = without + guidance * (v - without);
            }
            let was = f64::from(x[at]);
            let next = if self.correct {
                let next = was + 0.5 * dt * (f64::from(first[at]) + v);
                x[at] = next as f32;
                next
            } else {
                first[at] = v as f32;
                was + dt * v
            };
            input[at] = next as f32;
            if self.guided {
                input[at + half] = next as f32;
            }
        }
        if !self.correct {
            t.iter_mut().for_each(|t| *t = (f64::from(*t) + dt) as f32);
        }
    }
}
