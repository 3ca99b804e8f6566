//! Optional parts of a training: MMD penalty, squared errors of a batch, gradient clipping, EMA, augmentation.

use super::gradients::Gradients;
use super::network::Network;
use crate::config::{Augmentation, TrainConfig};
use crate::gpu::{Plan, ProgramId, Shape, Tensor};
use crate::ops::augment::Augment;
use crate::ops::log_sigma::LogSigmaGrad;
use crate::ops::mmd::{Gather, Mmd, MmdTotal};
use crate::ops::normal::Normal;
use crate::ops::reparameterize::padded;
use crate::ops::squared_error::{SquaredError, SquaredErrorTotal};

/// The optional parts of a training that are on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrainFeatures {
    /// compares each batch's latents with the prior
    pub mmd: bool,
    /// largest norm of the gradient, per picture
    pub clip: Option<f64>,
    /// keeps a running average of the parameters
    pub average: bool,
    /// varies the training pictures
    pub augmentation: Augmentation,
}

impl From<&TrainConfig> for TrainFeatures {
    fn from(config: &TrainConfig) -> Self {
        let TrainConfig { objective, optimizer, augmentation, .. } = config;
        Self {
            mmd: objective.mmd > 0.0,
            clip: optimizer.clip_norm,
            average: optimizer.ema.is_some(),
            augmentation: *augmentation,
        }
    }
}

/// The latents of a whole batch, and what comes of their comparison with the prior. Z is padded.
#[derive(Debug, Clone, Copy)]
pub(super) struct MmdTensors {
    /// `[B, Z]`
    pub(super) latents: Tensor,
    /// `[B, Z]`, draws
    prior: Tensor,
    /// `[B, Z]`, the gradient by the latents
    pub(super) gradient: Tensor,
    /// `[B]`
    shares: Tensor,
}

impl MmdTensors {
    pub(super) fn new(plan: &mut Plan, batch: u32, latent: u32) -> Self {
        let mut rows = |name| plan.tensor(name, &[batch, padded(latent)]);
        let [latents, prior, gradient] = ["all latents", "prior", "dmmd"].map(&mut rows);
        Self { latents, prior, gradient, shares: plan.tensor("mmd shares", &[batch]) }
    }
}

impl Network {
    /// Adds a micro-batch's latents to those of its batch; compares them with the prior when all are there.
    pub(super) fn record_mmd(&self, plan: &mut Plan, of: &MmdTensors, [gather, compare]: [ProgramId; 2]) {
        let (t, latent) = (&self.tensors, self.config.latents());
        let (rows, batch, vec4s) = (self.dims.micro, self.dims.batch, padded(latent) / 4);
        plan.dispatch(gather, "gather latents", Gather { rows, vec4s, batch }, &[t.step, t.z, of.latents]);
        plan.dispatch(compare, "prior", Normal { rows: batch, pictures: batch, vec4s }, &[t.step, of.prior]);
        let bindings = [t.step, of.latents, of.prior, of.gradient, of.shares];
        plan.dispatch(compare, "mmd", Mmd::new(batch, latent), &bindings);
        plan.dispatch(compare, "mmd total", MmdTotal::new(batch), &[of.shares, t.totals]);
    }

    /// Adds a micro-batch's squared errors to those of its batch, in the totals.
    pub(super) fn record_squared_errors(&self, plan: &mut Plan, program: ProgramId) {
        let parts = self.record_squared_error_parts(plan, program);
        let op = SquaredErrorTotal::new(parts.len() / 4);
        plan.dispatch(program, "squared error total", op, &[parts, self.tensors.totals]);
    }

    /// The gradient of the likelihood's learned width, from a micro-batch's squared errors.
    pub(super) fn record_log_sigma(&self, plan: &mut Plan, program: ProgramId, gradients: Gradients) {
        let Some(slice) = self.layout.log_sigma else { return };
        let (t, log_sigma) = (&self.tensors, slice.of(self.arenas.params));
        let parts = self.record_squared_error_parts(plan, program);
        let pixels = self.config.size * self.config.size;
        let op = LogSigmaGrad::new(parts.len() / 4, pixels, self.dims.accumulates());
        let bindings = [t.step, t.scaling, log_sigma, parts, gradients.of(slice)];
        plan.dispatch(program, "log_sigma gradient", op, &bindings);
    }

    /// Partial sums of a micro-batch's squared errors.
    fn record_squared_error_parts(&self, plan: &mut Plan, program: ProgramId) -> Tensor {
        let t = &self.tensors;
        let op = SquaredError::new(self.dims.micro, self.config.size * self.config.size);
        let len = op.parts().iter().product();
        let parts = Tensor { shape: Shape::new(&op.parts()), ..plan.scratch(len) };
        plan.dispatch(program, "squared error", op, &[t.step, t.logits, t.x, parts]);
        parts
    }

    /// Unpacks training pictures, varied.
    pub(super) fn record_augment(&self, plan: &mut Plan, program: ProgramId) {
        let t = &self.tensors;
        let [slots, ..] = t.rgba.shape.dims() else { unreachable!("rgba has three dimensions") };
        let op = Augment::new(self.extras.augmentation, self.dims.micro, self.config.size, *slots);
        plan.dispatch(program, "augment", op, &[t.step, t.batch_indices, t.rgba, t.x]);
    }
}
