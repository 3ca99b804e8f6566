//! The end of a step: the gradient's norm, Adam, and the running average of the parameters.

use super::network::TrainingArenas;
use super::params::Layout;
use super::recorder::{Recorder, Training};
use crate::gpu::{BufferId, Element, Plan, ProgramId, Shape, Tensor};
use crate::ops::adam::AnyAdam;
use crate::ops::elementwise::Elementwise;
use crate::ops::ema::{Ema, Exchange};
use crate::ops::grad_clip::{Clip, SquareSum};
use crate::ops::loss_scale::{FindNonFinite, INTERVAL, UpdateLossScale};
use crate::ops::tuning::Tuning;

/// Bytes of one dispatch's ranges: WebGPU's default binding limit.
const RANGE: u64 = 128 << 20;

/// Arenas, tensors and settings of an optimizer's step.
pub(super) struct Optimizer<'a> {
    /// layout of the arenas
    pub(super) layout: &'a Layout,
    /// the parameters
    pub(super) params: BufferId,
    /// gradients, slots, `step`, `scaling`, `totals`
    pub(super) training: Training,
    /// the running average of the parameters, where one is kept
    pub(super) average: Option<BufferId>,
    /// largest norm of the gradient, per picture
    pub(super) clip: Option<f64>,
    /// element type of activations: gradients of f16 may overflow
    pub(super) precision: Element,
}

impl Optimizer<'_> {
    /// Adam over what has not had it yet, if the gradients are finite.
    pub(super) fn record_update(&self, plan: &mut Plan, tuning: &Tuning, program: ProgramId) {
        let launch = tuning.elementwise_config(AnyAdam).into();
        let Training { arenas, state: [step, scaling, _], .. } = self.training;
        if self.precision == Element::F16 {
            self.record_check(plan, program, arenas);
        }
        if let Some(most) = self.clip {
            self.record_clip(plan, program, most as f32);
        }
        let activations = (self.precision, self.params);
        let mut r = Recorder::new(&mut *plan, tuning, program, activations, Some(self.training));
        let first = arenas.gradients.first;
        for range in self.ranges(first) {
            let param = range(self.params);
            let grad = Tensor { buffer: arenas.gradients.arena, offset: param.offset - first, ..param };
            r.adam("adam", grad, param.offset);
        }
        if let Some(average) = self.average {
            for range in self.ranges(0) {
                let [param, average] = [self.params, average].map(&range);
                let op = Ema::new(param.len(), launch);
                plan.dispatch(program, "average", op, &[step, param, scaling, average]);
            }
        }
        if self.precision == Element::F16 {
            plan.dispatch(program, "rescale", UpdateLossScale { interval: INTERVAL }, &[scaling]);
        }
    }

    /// Every gradient that is kept in 16 bits is summed for the bias of its layer: those show what has overflowed.
    fn record_check(&self, plan: &mut Plan, program: ProgramId, arenas: TrainingArenas) {
        let [_, scaling, _] = self.training.state;
        for layer in &self.layout.layers {
            for slice in layer.slices.iter().filter(|slice| slice.shape.dims().len() == 1) {
                let bias = arenas.gradients.of(*slice);
                let op = FindNonFinite::new(bias.len());
                plan.dispatch(program, format!("{} check", layer.name), op, &[bias, scaling]);
            }
        }
    }

    /// The norm of all gradients together.
    fn record_clip(&self, plan: &mut Plan, program: ProgramId, most: f32) {
        let Training { arenas, state: [step, scaling, totals], .. } = self.training;
        let sums: Vec<(SquareSum, Tensor)> = self
            .ranges(0)
            .map(|range| range(arenas.gradients.arena))
            .map(|values| (SquareSum::new(values.len()), values))
            .collect();
        let all = plan.scratch(sums.iter().map(|(op, _)| op.parts()).sum());
        let mut first = 0;
        for (op, values) in sums {
            let parts = all.slice(first, op.parts());
            plan.dispatch(program, "gradient norm", op, &[values, parts]);
            first += op.parts();
        }
        plan.dispatch(program, "clip", Clip::new(first, most), &[step, all, scaling, totals]);
    }

    /// Exchanges the parameters with their average.
    pub(super) fn record_swap(&self, plan: &mut Plan, program: ProgramId) {
        let Some(average) = self.average else { return };
        for range in self.ranges(0) {
            let [one, other] = [self.params, average].map(&range);
            plan.dispatch(program, "swap", Exchange::new(one.len(), Elementwise::default()), &[one, other]);
        }
    }

    /// The arenas from element `first` on in ranges that WebGPU's default limits can bind.
    fn ranges(&self, first: u64) -> impl Iterator<Item = impl Fn(BufferId) -> Tensor> {
        let (all, most) = (self.layout.len - first, RANGE / 4);
        (0..all.div_ceil(most)).map(move |at| {
            let done = at * most;
            let shape = Shape::new(&[most.min(all - done) as u32]);
            move |buffer| Tensor { buffer, offset: first + done, shape, element: Element::F32 }
        })
    }
}
