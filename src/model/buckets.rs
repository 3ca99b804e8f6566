//! Buckets of gradients: the parts of the arena that processes exchange, each as soon as the backward pass has filled it.
//!
//! Weights are in the arena in the order of the layers, and the backward pass computes the last layer's gradients first, so
//! buckets begin at the end. The vectors behind the weights, of all layers, go with the last bucket.
//! Source: Li et al., "PyTorch distributed: experiences on accelerating data parallel training", 2020, section 3.2.

use std::ops::Range;

use super::network::Network;
use super::params::ParamSlice;
use crate::distributed::BucketCost;
use crate::element::Element;
use crate::gpu::{BufferId, Item, Plan, ProgramId, Shape, Tensor};

/// Elements of a bucket, 12.5 MiB of f32: long enough that latency matters little, short enough that the first is soon full.
pub const BUCKET: u64 = 25 << 17;
/// Parts of a step's work in which the backward program is submitted, at least.
const PARTS: f64 = 48.0;
/// Buckets begin at multiples of this many elements, as parameters do.
const ALIGN: u64 = 64;

/// A part of the gradients.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// ranges of the arena
    pub(super) parts: Vec<Tensor>,
    /// items of the backward program after which it is complete
    pub(super) ready: usize,
}

impl Bucket {
    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len() as usize).sum()
    }
}

impl Network {
    /// The buckets of at most `most` elements each, in the order in which they are complete; the last one also has all
    /// vectors.
    pub(super) fn buckets(&self, plan: &Plan, most: u64) -> Vec<Bucket> {
        let Some((training, arenas)) = self.programs.training.zip(self.arenas.training) else {
            return Vec::new();
        };
        let arena = arenas.gradients.arena;
        let ready = |part: &Tensor| last_write(plan, training.backward, part);
        let (weights, all) = (self.layout.weights, self.layout.len);
        let most = (most / ALIGN).max(1) * ALIGN;
        let count = weights.div_ceil(most).max(1);
        let mut buckets: Vec<Bucket> = (0..count)
            .rev()
            .map(|at| {
                let mut parts = vec![range(arena, at * most..weights.min((at + 1) * most))];
                if at == 0 {
                    parts.push(range(arena, weights..all));
                }
                parts.retain(|part| !part.is_empty());
                Bucket { ready: parts.iter().map(ready).max().unwrap_or(0), parts }
            })
            .collect();
        buckets.sort_by_key(|bucket| bucket.ready);
        buckets
    }

    /// Ends of the parts in which the backward program is submitted: where a bucket is complete, and so that no part is long.
    /// Between two parts, buckets that had to wait can be copied to the host.
    pub(super) fn cuts(&self, plan: &Plan, buckets: &[Bucket]) -> Vec<usize> {
        let Some(training) = self.programs.training else { return Vec::new() };
        let items = &plan.get(training.backward).items;
        // a single bucket never waits
        let longest = if buckets.len() > 1 { self.step_work(plan) / PARTS } else { f64::INFINITY };
        let (mut cuts, mut work) = (Vec::new(), 0.0);
        for (at, item) in items.iter().enumerate() {
            work += item.work();
            let end = at + 1;
            if work >= longest || end == items.len() || buckets.iter().any(|bucket| bucket.ready == end) {
                cuts.push(end);
                work = 0.0;
            }
        }
        cuts
    }

    /// Size and time of each bucket of at most `most` elements, of a training by `ranks` processes, with gradients of type
    /// `wire` on the way.
    pub fn bucket_costs(&self, plan: &Plan, ranks: u32, wire: Element, most: u64) -> Vec<BucketCost> {
        let Some(training) = self.programs.training else { return Vec::new() };
        let backward = |items: usize| -> f64 {
            plan.get(training.backward).items.iter().take(items).map(Item::work).sum()
        };
        let all = self.step_work(plan);
        let after: f64 = work(plan, &self.programs.train_step().after);
        let of_bucket = |bucket: &Bucket| BucketCost {
            piece: wire.bytes() * (bucket.len() as u64).div_ceil(u64::from(ranks)),
            // in the backward pass of the last micro-batch
            ready: (all - after - backward(usize::MAX) + backward(bucket.ready)) / all,
        };
        self.buckets(plan, most).iter().map(of_bucket).collect()
    }

    /// The work of a step of this process, see [`crate::gpu::Dispatch::work`].
    pub fn step_work(&self, plan: &Plan) -> f64 {
        let run = self.programs.train_step();
        let parts = f64::from(self.dims.share.div_ceil(self.dims.micro));
        let first = match self.programs.training {
            Some(training) if self.dims.distributed => {
                let compared = training
                    .mmd
                    .map_or(0.0, |[gather, compare]| parts * work(plan, &[gather]) + work(plan, &[compare]));
                let errors = training.squared_errors.map_or(0.0, |program| parts * work(plan, &[program]));
                compared + errors
            }
            _ => 0.0,
        };
        work(plan, &run.before) + first + parts * work(plan, &run.each) + work(plan, &run.after)
    }

    /// Short messages that a step waits for before its backward pass: the sizes of the parts, and what the loss needs of all
    /// parts.
    pub fn exchanges_before_backward(&self) -> u32 {
        // latents have different lengths, which are exchanged first
        let latents = if self.mmd.is_some() { 2 } else { 0 };
        1 + latents + u32::from(self.likelihood.fits_sigma())
    }
}

fn work(plan: &Plan, programs: &[ProgramId]) -> f64 {
    programs.iter().flat_map(|id| &plan.get(*id).items).map(Item::work).sum()
}

/// Elements of the arena as a tensor.
fn range(arena: BufferId, elements: Range<u64>) -> Tensor {
    let shape = Shape::new(&[(elements.end - elements.start) as u32]);
    ParamSlice { offset: elements.start, shape }.of(arena)
}

/// The number of items of `program` after which nothing writes to `tensor` any more.
fn last_write(plan: &Plan, program: ProgramId, tensor: &Tensor) -> usize {
    let writes = |item: &Item| match item {
        Item::Dispatch(dispatch) => dispatch.written().any(|written| written.overlaps(tensor)),
        Item::Clear(buffer) => *buffer == tensor.buffer,
        Item::TextureCopy(_) => false,
    };
    plan.get(program).items.iter().rposition(writes).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;
    use crate::gpu::Capabilities;
    use crate::model::ModelOptions;

    fn recorded(config: ModelConfig, share: u32) -> (Network, Plan) {
        let options = ModelOptions { share: Some(share), ..ModelOptions::training(config, 8) };
        options.plan(&Capabilities::twins()).expect("a plan")
    }

    /// Every gradient is in exactly one bucket, and none is written after its bucket is complete.
    #[test]
    fn buckets_cover_the_arena_once() {
        let learned = ModelConfig { learned_sigma: true, ..ModelConfig::DEMO };
        for config in [ModelConfig::reference(32, 4, 8), ModelConfig::DEMO, learned] {
            let (network, plan) = recorded(config, 4);
            let backward = network.programs.training.expect("a training").backward;
            for most in [64, 1000, 5000, BUCKET] {
                let buckets = network.buckets(&plan, most);
                let mut ranges: Vec<(u64, u64)> = buckets
                    .iter()
                    .flat_map(|bucket| &bucket.parts)
                    .map(|part| (part.offset, part.offset + u64::from(part.len())))
                    .collect();
                ranges.sort_unstable();
                assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, network.layout.len));
                assert!(ranges.windows(2).all(|two| two[0].1 == two[1].0), "{ranges:?}");
                for bucket in &buckets {
                    let done = bucket.parts.iter().map(|part| last_write(&plan, backward, part)).max();
                    assert_eq!(done, Some(bucket.ready));
                }
                assert!(buckets.windows(2).all(|two| two[0].ready <= two[1].ready));
            }
            // the first ones are complete before the last gradient is computed
            let buckets = network.buckets(&plan, 1000);
            assert!(buckets.len() > 2 && buckets[0].ready < buckets[buckets.len() - 1].ready);
        }
    }

    #[test]
    fn costs_say_when_a_bucket_is_complete() {
        let (network, plan) = recorded(ModelConfig::REFERENCE, 8);
        let costs = network.bucket_costs(&plan, 4, Element::F32, BUCKET);
        assert_eq!(costs.len(), 18);
        let bytes: u64 = costs.iter().map(|cost| 4 * cost.piece).sum();
        assert!((4 * network.layout.len..4 * network.layout.len + 4 * 16 * 18).contains(&bytes), "{bytes}");
        assert!(costs.windows(2).all(|two| two[0].ready <= two[1].ready));
        assert!(costs[0].ready > 0.3 && costs[17].ready < 1.0, "{costs:?}");
    }
}
