//! What ends a step: the gradient's norm, Adam, and the running average of the parameters.

use super::network::Network;
use crate::gpu::{BufferId, Element, Plan, ProgramId, Shape, Tensor};
use crate::ops::adam::{Adam, AnyAdam};
use crate::ops::average::{Average, Swap};
use crate::ops::clip::{Clip, SquareSum};
use crate::ops::scaling::{CheckGradient, INTERVAL, Rescale};
use crate::ops::sweep::Sweep;
use crate::ops::tuning::Tuning;

/// Bytes of one dispatch's ranges: WebGPU's default binding limit.
const RANGE: u64 = 128 << 20;

impl Network {
    /// Adam over the arenas, if the gradients are finite.
    pub(super) fn record_update(
        &self,
        plan: &mut Plan,
        tuning: &Tuning,
        program: ProgramId,
        arenas: [BufferId; 3],
    ) {
        let sweep = tuning.sweep(AnyAdam).into();
        let [grads, moment1, moment2] = arenas;
        let (step, scaling, totals) = (self.tensors.step, self.tensors.scaling, self.tensors.totals);
        if self.extent.precision == Element::F16 {
            self.record_check(plan, program, grads);
        }
        if let Some(most) = self.extras.clip {
            self.record_clip(plan, program, grads, most as f32);
        }
        for range in self.ranges() {
            let [grad, param, m, v] = [grads, self.arenas.params, moment1, moment2].map(&range);
            let op = Adam::new(grad.len(), sweep).clipped(self.extras.clip.is_some());
            plan.dispatch(program, "adam", op, &[step, grad, scaling, totals, param, m, v]);
        }
        if let Some(average) = self.arenas.average {
            for range in self.ranges() {
                let [param, average] = [self.arenas.params, average].map(&range);
                let op = Average::new(param.len(), sweep);
                plan.dispatch(program, "average", op, &[step, param, scaling, average]);
            }
        }
        if self.extent.precision == Element::F16 {
            plan.dispatch(program, "rescale", Rescale { interval: INTERVAL }, &[scaling]);
        }
    }

    /// Every gradient that is kept in 16 bits is summed for the bias of its layer: those show what has overflowed.
    fn record_check(&self, plan: &mut Plan, program: ProgramId, grads: BufferId) {
        for (name, layer) in self.layout.layers() {
            let bias = layer.bias.of(grads);
            let op = CheckGradient::new(bias.len());
            plan.dispatch(program, format!("{name} check"), op, &[bias, self.tensors.scaling]);
        }
    }

    /// The norm of all gradients together.
    fn record_clip(&self, plan: &mut Plan, program: ProgramId, grads: BufferId, most: f32) {
        let sums: Vec<(SquareSum, Tensor)> = self
            .ranges()
            .map(|range| range(grads))
            .map(|values| (SquareSum::new(values.len()), values))
            .collect();
        let all = plan.scratch(sums.iter().map(|(op, _)| op.parts()).sum());
        let mut first = 0;
        for (op, values) in sums {
            let parts = all.slice(first, op.parts());
            plan.dispatch(program, "gradient norm", op, &[values, parts]);
            first += op.parts();
        }
        let bindings = [self.tensors.step, all, self.tensors.scaling, self.tensors.totals];
        plan.dispatch(program, "clip", Clip::new(first, most), &bindings);
    }

    /// Exchanges the parameters with their average.
    pub(super) fn record_swap(&self, plan: &mut Plan, program: ProgramId, average: BufferId) {
        for range in self.ranges() {
            let [one, other] = [self.arenas.params, average].map(&range);
            plan.dispatch(program, "swap", Swap::new(one.len(), Sweep::default()), &[one, other]);
        }
    }

    /// The arenas in ranges that WebGPU's default limits can bind.
    fn ranges(&self) -> impl Iterator<Item = impl Fn(BufferId) -> Tensor> {
        let (all, most) = (self.layout.len, RANGE / 4);
        (0..all.div_ceil(most)).map(move |at| {
            let offset = at * most;
            let shape = Shape::new(&[most.min(all - offset) as u32]);
            move |buffer| Tensor { buffer, offset, shape, element: Element::F32 }
        })
    }
}
