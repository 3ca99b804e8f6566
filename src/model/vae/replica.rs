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

/// Buckets that are copied to the host at a time, and that are exchanged at a time.
const IN_FLIGHT: usize = 2;

/// This process's part in the training.
pub(super) struct Replica {
    group: Arc<Group>,
    /// type of gradients on the way
    wire: Element,
    buckets: Vec<Bucket>,
    /// time of computation since the last [`Vae::take_busy`]
    busy: Duration,
    /// time of the present step that was spent waiting for others
    waited: Duration,
}

/// Buckets under way.
#[derive(Default)]
struct UnderWay {
    /// without a copy for a process that has no pictures
    readings: VecDeque<(usize, Option<Reading>)>,
    sums: VecDeque<(usize, Pending<Vec<f32>>)>,
    totals: Option<Pending<Vec<u8>>>,
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
        let none = Duration::ZERO;
        self.replica = Some(Replica { group, wire, buckets, busy: none, waited: none });
        Ok(())
    }

    /// The time that steps have computed since the last call, without waiting for other processes.
    pub fn take_busy(&mut self) -> Duration {
        self.replica.as_mut().map_or(Duration::ZERO, |replica| std::mem::take(&mut replica.busy))
    }

    /// Sums the squared errors of all parts, in the totals.
    pub(super) fn sum_squared_errors(&mut self) -> Result<()> {
        let Some(mut replica) = self.replica.take() else { return Ok(()) };
        let result = self.sum_totals_now(&mut replica, &SQUARED_ERRORS);
        self.replica = Some(replica);
        result
    }

    fn sum_totals_now(&mut self, replica: &mut Replica, slots: &[usize]) -> Result<()> {
        let totals = self.runner.read(&self.network.tensors.totals)?;
        let all = replica.group.start_gather(bytemuck::cast_slice(&totals).to_vec());
        let all = replica.wait(all)?;
        let totals = with_sums(totals, slots, &all);
        self.runner.write_f32(&self.network.tensors.totals, &totals);
        Ok(())
    }

    /// Gathers the latents of all parts, for their comparison with the prior.
    pub(super) fn gather_latents(&mut self, part: BatchPart) -> Result<()> {
        let Some(mut replica) = self.replica.take() else { return Ok(()) };
        let result = self.gather_latents_of(&mut replica, part);
        self.replica = Some(replica);
        result
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
        let Some(mut replica) = self.replica.take() else { return Ok(()) };
        let result = self.backward_by_buckets(&mut replica, backward);
        self.replica = Some(replica);
        result
    }

    fn backward_by_buckets(&mut self, replica: &mut Replica, backward: Option<ProgramId>) -> Result<()> {
        let mut under_way = UnderWay::default();
        let totals = self.network.tensors.totals;
        let mut done = 0;
        for at in 0..replica.buckets.len() {
            let ready = replica.buckets[at].ready;
            if let Some(backward) = backward {
                self.runner.run_items(backward, done..ready)?;
            }
            done = ready;
            // the losses are complete with the first gradient
            let also = if at == 0 { vec![totals] } else { Vec::new() };
            let parts = if backward.is_some() { replica.buckets[at].parts.as_slice() } else { &[] };
            let tensors = [also.as_slice(), parts].concat();
            let reading =
                if tensors.is_empty() { None } else { Some(self.runner.start_read(&tensors)?) };
            under_way.readings.push_back((at, reading));
            self.advance(replica, &mut under_way, IN_FLIGHT - 1)?;
        }
        if let Some(backward) = backward {
            self.runner.run_items(backward, done..self.runner.plan().get(backward).items.len())?;
        }
        self.advance(replica, &mut under_way, 0)?;
        Ok(())
    }

    fn start_sum(&self, replica: &Replica, at: usize, mut values: Vec<f32>) -> Pending<Vec<f32>> {
        // of a process without pictures
        values.resize(replica.buckets[at].len(), 0.0);
        replica.group.start_sum(at, replica.wire, values)
    }

    /// Passes buckets on until at most `left` are copied, and at most as many exchanged; with 0 to the end.
    fn advance(&mut self, replica: &mut Replica, under_way: &mut UnderWay, left: usize) -> Result<()> {
        while under_way.readings.len() > left {
            let Some((at, reading)) = under_way.readings.pop_front() else { break };
            let mut values =
                reading.map_or_else(|| Ok(Vec::new()), |reading| self.runner.finish_read(reading))?;
            if at == 0 {
                let rest = values.split_off(self.network.tensors.totals.len() as usize);
                under_way.sums.push_back((at, self.start_sum(replica, at, rest)));
                let totals = bytemuck::cast_slice(&values).to_vec();
                under_way.totals = Some(replica.group.start_gather(totals));
            } else {
                under_way.sums.push_back((at, self.start_sum(replica, at, values)));
            }
        }
        if left == 0 {
            // everything is computed: what follows is waiting
            replica.busy += self.step_began.elapsed().saturating_sub(replica.waited);
            replica.waited = Duration::ZERO;
        }
        while under_way.sums.len() > left {
            let Some((at, sum)) = under_way.sums.pop_front() else { break };
            let values = replica.wait(sum)?;
            let mut first = 0;
            for part in &replica.buckets[at].parts {
                let len = part.len() as usize;
                self.runner.write_f32(part, &values[first..first + len]);
                first += len;
            }
        }
        if left == 0
            && let Some(totals) = under_way.totals.take()
        {
            let all = replica.wait(totals)?;
            // a width that is fitted to the batch has its sums already
            let slots: &[usize] =
                if self.network.likelihood.fits_sigma() { &[KL, KL_PENALTY] } else { &[NLL, KL, KL_PENALTY] };
            let own = all.chunks(all.len() / replica.group.size()).nth(replica.group.rank());
            let own: Vec<f32> = bytemuck::pod_collect_to_vec(own.unwrap_or_default());
            self.runner.write_f32(&self.network.tensors.totals, &with_sums(own, slots, &all));
            replica.waited = Duration::ZERO;
        }
        Ok(())
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
