//! A model that several processes train, each on its part of every batch.
//! Read this for what a step exchanges, and in which order.
//!
//! 1. With a penalty on latents (MMD) or a width fitted to the batch: the latents or squared errors of all parts, before
//!    the backward pass.
//! 2. During the backward pass of the last micro-batch: the sums of the gradients, bucket by bucket, and the losses with
//!    the first bucket.
//!
//! The optimizer then takes the same step everywhere. All processes begin these operations in this order, also those
//! whose part is empty.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{BatchPart, StepSettings, Vae};
use crate::distributed::{Group, Pending};
use crate::error::{Error, Result};
use crate::gpu::{Element, ProgramId, Reading};
use crate::model::buckets::{BUCKET, Bucket};
use crate::ops::reparameterize::padded;
use crate::ops::totals::{KL, KL_PENALTY, NLL, SQUARED_ERRORS};

/// Buckets on the way at a time, from their copy to the host until their sum is back: one that is exchanged, and enough
/// that the next one is there when it is done, while the device computes.
const ON_THE_WAY: usize = 4;

/// This process's part in the training.
pub(super) struct Replica {
    group: Arc<Group>,
    /// type of gradients on the way
    wire: Element,
    buckets: Vec<Bucket>,
    /// ends of the parts in which the backward program is submitted
    cuts: Vec<usize>,
    /// time of computation since the last [`Vae::take_busy`]
    busy: Duration,
    /// the start of the present step
    began: Instant,
    /// time of the present step that was spent waiting for others
    waited: Duration,
}

/// The buckets of a step, in their order: those that are back, those that are exchanged, those that are copied to the host,
/// and those that wait.
#[derive(Default)]
struct OnTheWay {
    sums: VecDeque<(usize, Pending<Vec<f32>>)>,
    /// without a copy for a process that has no pictures
    copies: VecDeque<(usize, Option<Reading>)>,
    /// the first one that waits
    next: usize,
    totals: Option<Pending<Vec<u8>>>,
}

impl OnTheWay {
    fn count(&self) -> usize {
        self.sums.len() + self.copies.len()
    }
}

impl Replica {
    /// Waits for the others.
    fn wait<T>(&mut self, pending: Pending<T>) -> Result<T> {
        let began = Instant::now();
        let result = pending.wait();
        self.waited += began.elapsed();
        result
    }
}

impl Vae {
    /// Joins the processes of `group`, which all train this model from now on, with gradients of type `wire` on the way.
    ///
    /// # Errors
    /// If the model was not built for a share of each batch, see [`ModelOptions::share`](crate::model::ModelOptions::share).
    pub fn join(&mut self, group: Arc<Group>, wire: Element) -> Result<()> {
        self.join_with(group, wire, BUCKET)
    }

    /// [`Vae::join`] with buckets of at most `bucket` elements.
    ///
    /// # Errors
    /// As [`Vae::join`].
    #[doc(hidden)]
    pub fn join_with(&mut self, group: Arc<Group>, wire: Element, bucket: u64) -> Result<()> {
        if !self.network.dims.distributed {
            return Err(Error::Usage("this model was built for whole batches: build it with a share".into()));
        }
        let buckets = self.network.buckets(self.runner.plan(), bucket);
        let cuts = self.network.cuts(self.runner.plan(), &buckets);
        let none = Duration::ZERO;
        let began = Instant::now();
        self.replica = Some(Replica { group, wire, buckets, cuts, busy: none, began, waited: none });
        Ok(())
    }

    /// The time that steps have computed since the last call, without waiting for other processes.
    pub fn take_busy(&mut self) -> Duration {
        self.replica.as_mut().map_or(Duration::ZERO, |replica| std::mem::take(&mut replica.busy))
    }

    /// Does nothing in a process that trains alone.
    fn with_replica(&mut self, go: impl FnOnce(&mut Self, &mut Replica) -> Result<()>) -> Result<()> {
        let Some(mut replica) = self.replica.take() else { return Ok(()) };
        let result = go(self, &mut replica);
        self.replica = Some(replica);
        result
    }

    /// Begins to count the time of a step.
    pub(super) fn begin_step(&mut self) {
        self.replica.iter_mut().for_each(|replica| replica.began = Instant::now());
    }

    /// Sums the squared errors of all parts, in the totals.
    pub(super) fn sum_squared_errors(&mut self) -> Result<()> {
        self.with_replica(|vae, replica| {
            let totals = vae.runner.read(&vae.network.tensors.totals)?;
            let all = replica.group.start_gather(bytemuck::cast_slice(&totals).to_vec());
            let all = replica.wait(all)?;
            vae.runner.write_f32(&vae.network.tensors.totals, &with_sums(totals, &SQUARED_ERRORS, &all));
            Ok(())
        })
    }

    /// Gathers the latents of all parts, for their comparison with the prior.
    pub(super) fn gather_latents(&mut self, part: BatchPart) -> Result<()> {
        self.with_replica(|vae, replica| vae.gather_latents_of(replica, part))
    }

    fn gather_latents_of(&mut self, replica: &mut Replica, part: BatchPart) -> Result<()> {
        let Some(latents) = self.network.mmd.map(|mmd| mmd.latents) else { return Ok(()) };
        let row = padded(self.network.config.latents());
        let own = self.runner.read(&latents)?;
        let rows = (part.first * row) as usize..((part.first + part.count) * row) as usize;
        let began = Instant::now();
        let all = replica.group.gather_bytes(bytemuck::cast_slice(&own[rows]))?.concat();
        replica.waited += began.elapsed();
        let all: Vec<f32> = bytemuck::pod_collect_to_vec(&all);
        self.runner.write_f32(&latents, &all);
        Ok(())
    }

    /// The backward pass of the last micro-batch, `None` if this process has no pictures, and meanwhile the sums over all
    /// processes.
    pub(super) fn backward_and_sum(&mut self, backward: Option<ProgramId>) -> Result<()> {
        self.with_replica(|vae, replica| vae.backward_by_buckets(replica, backward))
    }

    fn backward_by_buckets(&mut self, replica: &mut Replica, backward: Option<ProgramId>) -> Result<()> {
        let mut buckets = OnTheWay::default();
        let totals = self.network.tensors.totals;
        // computation never waits for the exchange: a bucket stays on the device until there is room for it
        if let Some(backward) = backward {
            let (mut done, mut before) = (0, None);
            for at in 0..replica.cuts.len() {
                let cut = replica.cuts[at];
                self.runner.run_items(backward, done..cut)?;
                done = cut;
                // the device has one part to compute while this one waits for the part before
                let mark = self.runner.start_read(&[totals])?;
                if let Some(before) = before.replace(mark) {
                    self.runner.finish_read(before)?;
                }
                self.pass_on(replica, &mut buckets, Some(done))?;
            }
            if let Some(last) = before {
                self.runner.finish_read(last)?;
            }
        }
        replica.busy += replica.began.elapsed().saturating_sub(replica.waited);
        while buckets.next < replica.buckets.len() || buckets.count() > 0 {
            let ready = backward.map(|_| usize::MAX);
            self.pass_on(replica, &mut buckets, ready)?;
            if let Some((at, copy)) = buckets.copies.pop_front() {
                self.start_exchange(replica, &mut buckets, (at, copy))?;
            } else if let Some((at, sum)) = buckets.sums.pop_front() {
                let sum = sum.wait()?;
                self.write_gradients(&replica.buckets[at], &sum);
            }
        }
        if let Some(all) = buckets.totals {
            let all = all.wait()?;
            // a width that is fitted to the batch has its sums already
            let slots: &[usize] =
                if self.network.likelihood.fits_sigma() { &[KL, KL_PENALTY] } else { &[NLL, KL, KL_PENALTY] };
            let own = all.chunks(all.len() / replica.group.size()).nth(replica.group.rank());
            let own: Vec<f32> = bytemuck::pod_collect_to_vec(own.unwrap_or_default());
            self.runner.write_f32(&totals, &with_sums(own, slots, &all));
        }
        replica.waited = Duration::ZERO;
        Ok(())
    }

    /// Passes on without waiting what has arrived, and begins to copy buckets that are complete after `done` items, as far as
    /// there is room. A process without pictures has nothing to copy.
    fn pass_on(&mut self, replica: &Replica, buckets: &mut OnTheWay, done: Option<usize>) -> Result<()> {
        while let Some((at, mut sum)) = buckets.sums.pop_front() {
            if !sum.has_arrived() {
                buckets.sums.push_front((at, sum));
                break;
            }
            let sum = sum.wait()?;
            self.write_gradients(&replica.buckets[at], &sum);
        }
        while let Some((at, copy)) = buckets.copies.pop_front() {
            if !copy.as_ref().is_none_or(|copy| self.runner.has_arrived(copy)) {
                buckets.copies.push_front((at, copy));
                break;
            }
            self.start_exchange(replica, buckets, (at, copy))?;
        }
        let is_ready = |bucket: &Bucket| done.is_none_or(|done| bucket.ready <= done);
        while buckets.count() < ON_THE_WAY && replica.buckets.get(buckets.next).is_some_and(is_ready) {
            let at = buckets.next;
            let parts = if done.is_some() { replica.buckets[at].parts.as_slice() } else { &[] };
            // the losses are complete with the first gradient
            let also = if at == 0 { vec![self.network.tensors.totals] } else { Vec::new() };
            let tensors = [parts, also.as_slice()].concat();
            let copy = if tensors.is_empty() { None } else { Some(self.runner.start_read(&tensors)?) };
            buckets.copies.push_back((at, copy));
            buckets.next += 1;
        }
        Ok(())
    }

    /// Waits for a bucket's copy, and begins its exchange; with the first one also that of the losses.
    fn start_exchange(
        &mut self,
        replica: &Replica,
        buckets: &mut OnTheWay,
        (at, copy): (usize, Option<Reading>),
    ) -> Result<()> {
        let mut gradients = copy.map_or_else(|| Ok(Vec::new()), |copy| self.runner.finish_read(copy))?;
        let also = if at == 0 { self.network.tensors.totals.len() as usize } else { 0 };
        let totals = gradients.split_off(gradients.len() - also);
        // zeros of a process without pictures
        gradients.resize(replica.buckets[at].len(), 0.0);
        buckets.sums.push_back((at, replica.group.start_sum(at, replica.wire, gradients)));
        if at == 0 {
            buckets.totals = Some(replica.group.start_gather(bytemuck::cast_slice(&totals).to_vec()));
        }
        Ok(())
    }

    fn write_gradients(&mut self, bucket: &Bucket, values: &[f32]) {
        let mut first = 0;
        for part in &bucket.parts {
            let len = part.len() as usize;
            self.runner.write_f32(part, &values[first..first + len]);
            first += len;
        }
    }

    /// The uniform of the optimizer's step, which counts the pictures of all parts.
    pub(super) fn write_whole_step(&mut self, settings: &StepSettings, part: BatchPart) {
        let step = self.training_step(settings, part.total as usize, (part.first as usize, 0));
        self.write_step(step);
    }
}

/// `own` totals with those slots summed over `all`, in the order of the ranks.
fn with_sums(mut own: Vec<f32>, slots: &[usize], all: &[u8]) -> Vec<f32> {
    let all: Vec<f32> = bytemuck::pod_collect_to_vec(all);
    for &slot in slots {
        let sum: f64 = all.iter().skip(slot).step_by(own.len()).map(|value| f64::from(*value)).sum();
        own[slot] = sum as f32;
    }
    own
}
