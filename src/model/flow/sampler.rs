//! The sampler of a flow, as a part of a model's plan: from noise to the latents of the decoder.

use super::tensors::UNetTensors;
use super::unet::{Params, UNet};
use super::{FlowWeights, NO_CLASS};
use crate::config::FlowConfig;
use crate::gpu::{BufferId, Element, Plan, ProgramId, Runner, Tensor, Usage};
use crate::model::arena;
use crate::model::params::Layout;
use crate::model::recorder::Recorder;
use crate::ops::destandardize::Destandardize;
use crate::ops::heun::Heun;
use crate::ops::normal::Normal;
use crate::ops::reparameterize::padded;
use crate::ops::time_features::TimeFeatures;
use crate::ops::tuning::Tuning;

/// A flow to draw samples from, with the settings of its solver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowSampling {
    /// sizes
    pub config: FlowConfig,
    /// steps of Heun's method, two evaluations of the network each
    pub steps: u32,
    /// weight of the class; without one, the network is evaluated with the labels as they are
    pub guidance: Option<f32>,
}

impl FlowSampling {
    /// The default number of steps: more do not improve the pictures.
    pub const STEPS: u32 = 4;
    /// The default weight of a class.
    pub const GUIDANCE: f32 = 2.0;
}

/// A flow in the plan of a model, for micro-batches of N pictures.
pub struct FlowSampler {
    sampling: FlowSampling,
    /// layout of its parameters
    pub layout: Layout,
    /// its parameters
    pub params: BufferId,
    /// `[2, Z]`: mean and standard deviation of each latent
    pub standard: Tensor,
    /// `[N]` classes, with guidance `[2 N]`: the second half has none
    pub labels: Tensor,
    micro: u32,
    start: ProgramId,
    velocity: ProgramId,
    predict: ProgramId,
    correct: ProgramId,
    finish: ProgramId,
}

impl FlowSampler {
    /// Records the sampler for micro-batches of `micro` into `z` `[N, Z]`; `step` is the uniform of the draws.
    pub(in crate::model) fn record(
        plan: &mut Plan,
        tuning: &Tuning,
        sampling: FlowSampling,
        (micro, step, z): (u32, Tensor, Tensor),
    ) -> Self {
        let FlowSampling { config, steps, guidance } = sampling;
        let unet = UNet::new(config);
        let layout = unet.layout();
        let params = plan.buffer("flow parameters", layout.len, Usage::State);
        let width = z.len() / micro;
        let rows = if guidance.is_some() { 2 * micro } else { micro };
        let t = UNetTensors::new(plan, &config, rows);
        let [x, first] = ["flow state", "flow first velocity"].map(|name| plan.tensor(name, &[micro, width]));
        let standard = plan.tensor("flow standard", &[2, padded(config.latents())]);
        let [start, velocity, predict, correct, finish] =
            ["flow start", "flow velocity", "flow predict", "flow correct", "flow finish"]
                .map(|name| plan.program(name));

        plan.clear(start, t.t.buffer);
        // both halves of the network's input have equal noise; one dispatch, because a half is not aligned to be bound
        for (rows, out) in [(micro, x), (rows, t.x)] {
            let op = Normal { rows, pictures: micro, vec4s: width / 4 };
            plan.dispatch(start, "flow noise", op, &[step, out]);
        }

        let op = TimeFeatures::new(rows, config.classes);
        plan.dispatch(velocity, "flow features", op, &[step, t.labels, t.t, t.features]);
        let mut r = Recorder::new(plan, tuning, velocity, (Element::F32, params), None);
        unet.forward(&mut r, &Params::new(&layout), &t);

        let bindings = [t.velocity, t.t, first, x, t.x];
        let op = Heun::predict(micro, width, steps, guidance);
        plan.dispatch(predict, "flow predict", op, &bindings);
        plan.dispatch(correct, "flow correct", op.correct(), &bindings);
        plan.dispatch(finish, "flow latents", Destandardize::new(micro, width), &[x, standard, z]);
        let labels = t.labels;
        Self { sampling, layout, params, standard, labels, micro, start, velocity, predict, correct, finish }
    }

    /// The programs from noise to latents, in order.
    pub fn programs(&self) -> Vec<ProgramId> {
        let step = [self.velocity, self.predict, self.velocity, self.correct];
        let steps = (0..self.sampling.steps).flat_map(|_| step);
        [self.start].into_iter().chain(steps).chain([self.finish]).collect()
    }

    /// Sizes.
    pub fn config(&self) -> FlowConfig {
        self.sampling.config
    }

    /// Writes a trained flow.
    pub(in crate::model) fn load(&self, runner: &mut dyn Runner, flow: &FlowWeights) {
        arena::write(runner, &self.layout, self.params, &flow.weights);
        runner.write_f32(&self.standard, &flow.standard_rows());
    }

    /// Writes the class of the pictures from number `first` on. Without one, the classes take turns: picture i of a seed has
    /// the class with the label (seed + i) modulo their number.
    pub(in crate::model) fn write_labels(
        &self,
        runner: &mut dyn Runner,
        class: Option<u32>,
        (seed, first): (u64, u32),
    ) {
        let classes = u64::from(self.sampling.config.classes);
        let in_turn = |number: u32| seed.wrapping_add(number.into()).checked_rem(classes);
        let label = |number: u32| class.or(in_turn(number).map(|label| label as u32)).unwrap_or(NO_CLASS);
        let own: Vec<u32> = (0..self.micro).map(|at| label(first + at)).collect();
        let without = self.sampling.guidance.map(|_| vec![NO_CLASS; self.micro as usize]);
        runner.write(&self.labels, &[own, without.unwrap_or_default()].concat());
    }
}
