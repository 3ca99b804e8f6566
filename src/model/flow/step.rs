//! The tensors and programs of a step of a flow's training, except for its network.

use super::tensors::UNetTensors;
use crate::config::FlowConfig;
use crate::gpu::{Element, Plan, ProgramId, Shape, Tensor, Usage};
use crate::ops::flow_interpolate::FlowInterpolate;
use crate::ops::loss_scale::LossScale;
use crate::ops::normal::Normal;
use crate::ops::reparameterize::padded;
use crate::ops::squared_error::SquaredErrorTotal;
use crate::ops::step::Step;
use crate::ops::time_features::TimeFeatures;
use crate::ops::totals::TotalsSlots;
use crate::ops::velocity_loss::VelocityLoss;

/// Share of the latents whose class is left out.
const DROPPED: f64 = 0.1;

/// The programs of a training step.
#[derive(Clone, Copy)]
pub(super) struct Programs {
    pub(super) begin: ProgramId,
    /// draws times, noise and latents
    pub(super) draw: ProgramId,
    /// features of times that are given
    pub(super) features: ProgramId,
    pub(super) velocity: ProgramId,
    /// the error alone
    pub(super) loss: ProgramId,
    pub(super) backward: ProgramId,
    pub(super) update: ProgramId,
    /// exchanges the parameters with their average
    pub(super) swap: ProgramId,
}

/// The tensors that only a training has. N is the batch.
pub(super) struct Border {
    /// the step's uniform
    pub(super) step: Tensor,
    /// `[N, cells, 2, C]`: means and log-variances of the latents
    pub(super) heads: Tensor,
    /// `[2, Z]`
    pub(super) standard: Tensor,
    /// `[N, 2, Z]`
    pub(super) normals: Tensor,
    /// `[N, Z]`, the velocity of the straight line
    pub(super) target: Tensor,
    pub(super) totals: Tensor,
    pub(super) scaling: Tensor,
}

impl Programs {
    pub(super) fn new(plan: &mut Plan) -> Self {
        Self {
            begin: plan.program("begin"),
            draw: plan.program("draw"),
            features: plan.program("features"),
            velocity: plan.program("velocity"),
            loss: plan.program("loss"),
            backward: plan.program("backward"),
            update: plan.program("update"),
            swap: plan.program("swap"),
        }
    }
}

impl Border {
    pub(super) fn new(plan: &mut Plan, config: &FlowConfig, n: u32) -> Self {
        let z = config.edge * config.edge * padded(config.channels);
        let step = plan.buffer("step", Step::shape().len().into(), Usage::Uniform);
        let scaling = plan.buffer("scaling", LossScale::shape().len().into(), Usage::State);
        let whole = |buffer, shape| Tensor { buffer, offset: 0, shape, element: Element::F32 };
        Self {
            step: whole(step, Step::shape()),
            heads: plan.tensor("heads", &[n, 2, z]),
            standard: plan.tensor("standard", &[2, z]),
            normals: plan.tensor("normals", &[n, 2, z]),
            target: plan.tensor("target", &[n, z]),
            totals: plan.tensor("totals", TotalsSlots::shape().dims()),
            scaling: whole(scaling, LossScale::shape()),
        }
    }

    /// The draws of a step, and the error alone.
    pub(super) fn record(
        &self,
        plan: &mut Plan,
        (config, n): (&FlowConfig, u32),
        t: &UNetTensors,
        programs: &Programs,
    ) {
        let z = self.target.len() / n;
        plan.clear(programs.begin, self.totals.buffer);
        let op = TimeFeatures::new(n, config.classes).drawn(DROPPED);
        plan.dispatch(programs.draw, "times", op, &[self.step, t.labels, t.t, t.features]);
        let op = TimeFeatures::new(n, config.classes);
        plan.dispatch(programs.features, "features", op, &[self.step, t.labels, t.t, t.features]);
        let op = Normal { rows: n, pictures: n, vec4s: 2 * z / 4 };
        plan.dispatch(programs.draw, "normals", op, &[self.step, self.normals]);
        let op = FlowInterpolate::new(n, config.latents(), config.edge * config.edge);
        let bindings = [self.heads, self.normals, self.standard, t.t, t.x, self.target];
        plan.dispatch(programs.draw, "interpolate", op, &bindings);
        self.record_loss(plan, (config, n), t, programs.loss, None);
    }

    /// Adds the error to the totals; with `gradient`, its gradient by the velocity too.
    pub(super) fn record_loss(
        &self,
        plan: &mut Plan,
        (config, n): (&FlowConfig, u32),
        t: &UNetTensors,
        program: ProgramId,
        gradient: Option<Tensor>,
    ) {
        let op = VelocityLoss::new(n, config.latents(), gradient.is_some());
        let dv = gradient.unwrap_or_else(|| plan.tensor("no gradient", &[4]));
        let parts = Tensor { shape: Shape::new(&[n, 4]), ..plan.scratch(4 * n) };
        plan.dispatch(program, "velocity loss", op, &[self.step, t.velocity, self.target, dv, parts]);
        plan.dispatch(program, "velocity loss total", SquaredErrorTotal::new(n), &[parts, self.totals]);
    }
}
