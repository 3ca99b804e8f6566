//! The loss of a flow: the squared error of the velocity.

use super::reparameterize::padded;
use super::step::Step;
use crate::gpu::kernel::{Constant, Kernel, Params, Value};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

params! {
    /// Sizes of `velocity_loss.wgsl`.
    pub struct VelocityLossParams {
        /// N
        rows: u32,
        /// Z before padding
        latent: u32,
        /// vec4s of a row
        vec4s: u32,
    }
}

/// `parts[n] = [mean of (v - goal)^2, 0, 0, 0]`, and its gradient `dv = 2 (v - goal) / Z`, if it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct VelocityLoss {
    params: VelocityLossParams,
    gradient: bool,
}

impl VelocityLoss {
    /// For `rows` pictures of `latent` dimensions.
    pub fn new(rows: u32, latent: u32, gradient: bool) -> Self {
        Self { params: VelocityLossParams { rows, latent, vec4s: padded(latent) / 4 }, gradient }
    }
}

impl Op for VelocityLoss {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("flow/velocity_loss.wgsl"), wgsl!("common/tree_sum.wgsl")];
        let files = own.into_iter().chain([wgsl!("common/step.wgsl")]).collect();
        Kernel { name: "velocity_loss", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        vec![("GRADIENT", Value::Bool(self.gradient))]
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let VelocityLossParams { rows, vec4s, .. } = self.params;
        let row = Shape::new(&[rows, 4 * vec4s]);
        let dv = if self.gradient { row } else { Shape::new(&[4]) };
        vec![
            ("step", Step::shape()),
            ("v", row),
            ("goal", row),
            ("dv", dv),
            ("parts", Shape::new(&[rows, 4])),
        ]
    }

    fn groups(&self) -> u64 {
        self.params.rows.into()
    }

    fn flops(&self) -> u64 {
        4 * 4 * u64::from(self.params.rows * self.params.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, v, goal, dv, parts] = buffers else { panic!("velocity_loss: {} operands", buffers.len()) };
        let (width, latent) = (4 * self.params.vec4s as usize, f64::from(self.params.latent));
        let valid = Step::from_words(step).valid as usize;
        for (row, part) in parts.chunks_mut(4).enumerate() {
            let mut sum = 0.0;
            for at in row * width..(row + 1) * width {
                let error = if row < valid { f64::from(v[at]) - f64::from(goal[at]) } else { 0.0 };
                sum += error * error;
                if self.gradient {
                    dv[at] = (2.0 / latent * error) as f32;
                }
            }
            part.copy_from_slice(&[(sum / latent) as f32, 0.0, 0.0, 0.0]);
        }
    }
}
