//! The processes of one training: the pictures that each computes, what they agree on, and the state that all have.
//!
//! Rank 0 leads: it alone has the run's folder, and writes checkpoints, metrics, events and pictures. Everything that
//! decides what happens next is the same on all ranks, or is agreed on.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::distributed::{Group, even_part};
use crate::error::{Error, Result};
use crate::gpu::{Capabilities, Element};
use crate::model::{BatchPart, Loss, ModelOptions, NamedTensor};
use crate::ops::squared_error::ErrorSums;

/// Division of a batch among the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// into equal parts
    #[default]
    Even,
    /// by the speed of each process in the epoch before
    Auto,
}

/// The processes that train a model, as one of them sees them.
#[derive(Debug, Clone)]
pub struct RankOptions {
    /// the connection
    pub group: Arc<Group>,
    /// type of gradients on the way
    pub wire: Element,
    /// the division of a batch
    pub sharing: Sharing,
}

impl RankOptions {
    /// `build` for this process's part of each batch.
    ///
    /// # Errors
    /// As [`ModelOptions::resolve_micro_batch`].
    pub fn share(&self, build: ModelOptions, target: &Capabilities) -> Result<ModelOptions> {
        let even = build.shared_by(self.group.size() as u32);
        match self.sharing {
            Sharing::Even => Ok(even),
            // it may become nearly all
            Sharing::Auto => {
                let micro = even.resolve_micro_batch(target)?.min(unit(build.batch, self.group.size()));
                Ok(ModelOptions { share: Some(build.batch), micro: Some(micro), ..build })
            }
        }
    }
}

/// Requests of users, signals and the clock to a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Requests {
    /// to stop with a checkpoint
    pub(super) stop: bool,
    /// to write a checkpoint
    pub(super) save: bool,
    /// to stop, because the time is over
    pub(super) time: bool,
}

impl Requests {
    fn bits(self) -> u32 {
        u32::from(self.stop) | u32::from(self.save) << 1 | u32::from(self.time) << 2
    }

    fn of(bits: u32) -> Self {
        Self { stop: bits & 1 != 0, save: bits & 2 != 0, time: bits & 4 != 0 }
    }
}

/// The processes of a training in progress.
pub(super) struct Ranks {
    options: RankOptions,
    /// pictures of a full batch that each rank computes
    shares: Vec<u32>,
}

/// Pictures of a batch for each of `ranks` processes, as equal as possible.
pub(super) fn even_shares(batch: u32, ranks: usize) -> Vec<u32> {
    (0..ranks).map(|rank| even_part(batch, rank, ranks).len() as u32).collect()
}

/// Pictures that shares by speed are multiples of: half of an equal part. Micro-batches have this size, because a
/// micro-batch that is not full takes as long as a full one. Smaller ones cost more than their balance gains.
fn unit(batch: u32, ranks: usize) -> u32 {
    batch.div_ceil(2 * ranks as u32).max(1)
}

/// Pictures of a batch for processes of these speeds, in pictures per second: multiples of `unit`, except for the last one.
/// Every rank gets at least one unit if there are enough.
fn shares_by_speed(batch: u32, unit: u32, speeds: &[f64]) -> Vec<u32> {
    let (ranks, units) = (speeds.len(), batch.div_ceil(unit));
    let valid = speeds.iter().all(|speed| speed.is_finite() && *speed > 0.0);
    if !valid || (units as usize) < ranks {
        return even_shares(batch, ranks);
    }
    let all: f64 = speeds.iter().sum();
    let ideal: Vec<f64> = speeds.iter().map(|speed| f64::from(units) * speed / all).collect();
    let mut shares: Vec<u32> = ideal.iter().map(|share| (share.floor() as u32).max(1)).collect();
    // the remainder goes to the ranks with the largest deficit; a surplus is taken from those with the largest one
    while shares.iter().sum::<u32>() != units {
        let more = shares.iter().sum::<u32>() < units;
        let lack = |rank: &usize| ideal[*rank] - f64::from(shares[*rank]);
        let by_lack = |a: &usize, b: &usize| lack(a).total_cmp(&lack(b));
        // the first of equals, on every rank
        let rank = if more {
            (0..ranks).rev().max_by(by_lack)
        } else {
            (0..ranks).filter(|rank| shares[*rank] > 1).min_by(by_lack)
        };
        let rank = rank.unwrap_or(0);
        shares[rank] = if more { shares[rank] + 1 } else { shares[rank] - 1 };
    }
    let mut left = batch;
    shares
        .iter()
        .map(|share| {
            let pictures = (share * unit).min(left);
            left -= pictures;
            pictures
        })
        .collect()
}

/// The part of `len` items that a rank has if it has `shares[rank]` of a full batch.
fn part(shares: &[u32], rank: usize, len: usize) -> Range<usize> {
    let batch: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    let end = |ranks: usize| {
        let before: u64 = shares[..ranks].iter().map(|share| u64::from(*share)).sum();
        (len as u64 * before / batch.max(1)) as usize
    };
    end(rank)..end(rank + 1)
}

impl Ranks {
    /// The processes of a training with batches of `batch`; `shares` are those of the run, if its number of ranks is equal.
    pub(super) fn new(options: RankOptions, batch: u32, shares: &[u32]) -> Self {
        let ranks = options.group.size();
        let fits = shares.len() == ranks && shares.iter().sum::<u32>() == batch;
        let keeps = fits && options.sharing == Sharing::Auto;
        let shares = if keeps { shares.to_vec() } else { even_shares(batch, ranks) };
        Self { options, shares }
    }

    /// Whether this is the rank that writes.
    pub(super) fn leads(&self) -> bool {
        self.options.group.rank() == 0
    }

    /// Number of processes.
    pub(super) fn size(&self) -> usize {
        self.options.group.size()
    }

    /// The connection, and the type of gradients on the way.
    pub(super) fn connection(&self) -> (Arc<Group>, Element) {
        (self.options.group.clone(), self.options.wire)
    }

    /// Pictures of a full batch that each rank computes, if that may change.
    pub(super) fn shares(&self) -> Option<&[u32]> {
        (self.options.sharing == Sharing::Auto).then_some(&self.shares)
    }

    /// This rank's part of `len` items.
    pub(super) fn part(&self, len: usize) -> Range<usize> {
        part(&self.shares, self.options.group.rank(), len)
    }

    /// Agrees on a step, in which this rank has `count` pictures.
    pub(super) fn begin_step(&self, count: usize, requests: Requests) -> Result<(BatchPart, Requests)> {
        let group = &self.options.group;
        let all = group.gather([count as u32, requests.bits()])?;
        let counts = || all.iter().map(|[count, _]| *count);
        let part = BatchPart {
            first: counts().take(group.rank()).sum(),
            count: count as u32,
            total: counts().sum(),
        };
        Ok((part, Requests::of(all.iter().fold(0, |bits, [_, more]| bits | more))))
    }

    /// Whether it is so on any rank.
    pub(super) fn any(&self, so: bool) -> Result<bool> {
        Ok(self.options.group.gather(u32::from(so))?.contains(&1))
    }

    /// The sums over the pictures of all ranks, and their number.
    pub(super) fn add_losses(&self, loss: &Loss, count: usize) -> Result<(Loss, usize)> {
        let errors = loss.errors.unwrap_or(ErrorSums { sums: [0.0; 3], values: 0.0, per_channel: false });
        let [r, g, b] = errors.sums;
        let is = [loss.errors.is_some(), errors.per_channel].map(|is| f64::from(u8::from(is)));
        let Loss { nll, kl, kl_penalty, mmd, .. } = *loss;
        let own = [nll, kl, kl_penalty, mmd, r, g, b, errors.values, is[0], is[1], count as f64];
        let (mut sum, mut all) = (Loss::default(), 0);
        for [nll, kl, kl_penalty, mmd, r, g, b, values, has, per_channel, count] in
            self.options.group.gather(own)?
        {
            let errors = ErrorSums { sums: [r, g, b], values, per_channel: per_channel > 0.0 };
            sum.add(&Loss { nll, kl, kl_penalty, mmd, errors: (has > 0.0).then_some(errors) });
            all += count as usize;
        }
        Ok((sum, all))
    }

    /// Divides batches by the speeds of the epoch that has ended: this rank has computed `pictures` in `busy`.
    pub(super) fn balance(&mut self, pictures: u64, busy: Duration) -> Result<()> {
        if self.options.sharing == Sharing::Even {
            return Ok(());
        }
        let speeds = self.options.group.gather(pictures as f64 / busy.as_secs_f64().max(1e-9))?;
        let batch: u32 = self.shares.iter().sum();
        // half way: a time that was measured once is not exact
        let now = self.shares.iter().map(|share| f64::from(*share));
        let all: f64 = speeds.iter().sum();
        let wanted = speeds.iter().map(|speed| f64::from(batch) * speed / all);
        let between: Vec<f64> = now.zip(wanted).map(|(now, wanted)| (now * wanted).sqrt()).collect();
        self.shares = shares_by_speed(batch, unit(batch, between.len()), &between);
        Ok(())
    }

    /// Gives all ranks the tensors of rank 0, unless they have the same. Returns whether this rank's have been replaced.
    ///
    /// Adapters of different kinds round differently, so their parameters drift apart. They are compared at the start and
    /// at every checkpoint.
    pub(super) fn replicate(&self, checkpoint: &mut Checkpoint) -> Result<bool> {
        let group = &self.options.group;
        group.forget_residuals();
        let own = digest(checkpoint);
        let digests = group.gather(own)?;
        if digests.iter().all(|digest| *digest == digests[0]) {
            return Ok(false);
        }
        // one after the other: all at once would be a second copy of the state
        for tensor in tensors_mut(checkpoint) {
            let bytes = if self.leads() { bytemuck::cast_slice(&tensor.values).to_vec() } else { Vec::new() };
            let bytes = group.broadcast(bytes)?;
            if bytes.len() != 4 * tensor.values.len() {
                let (is, rank) = (tensor.values.len(), group.rank());
                let reason = format!(
                    "rank 0 has {} elements of {}, and rank {rank} has {is}",
                    bytes.len() / 4,
                    tensor.name
                );
                return Err(Error::Device(reason));
            }
            bytemuck::cast_slice_mut(&mut tensor.values).copy_from_slice(&bytes);
        }
        Ok(own != digests[0])
    }
}

/// The tensors of a checkpoint.
fn tensors_mut(checkpoint: &mut Checkpoint) -> impl Iterator<Item = &mut NamedTensor> {
    let slots = checkpoint.optimizer.slots.iter_mut().map(|(_, slot)| slot);
    let sets = [&mut checkpoint.weights].into_iter().chain(slots).chain(&mut checkpoint.average);
    sets.flat_map(|set| &mut set.tensors)
}

/// CRC-32 of all tensors.
fn digest(checkpoint: &Checkpoint) -> u32 {
    let slots = checkpoint.optimizer.slots.iter().map(|(_, slot)| slot);
    let sets = [&checkpoint.weights].into_iter().chain(slots).chain(&checkpoint.average);
    let mut crc = crc32fast::Hasher::new();
    sets.flat_map(|set| &set.tensors).for_each(|tensor| crc.update(bytemuck::cast_slice(&tensor.values)));
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_speeds() {
        assert_eq!(even_shares(64, 3), [21, 21, 22]);
        assert_eq!(shares_by_speed(64, 1, &[1.0, 1.0]), [32, 32]);
        assert_eq!(shares_by_speed(64, 1, &[200.0, 100.0]), [43, 21]);
        assert_eq!(shares_by_speed(64, 8, &[200.0, 100.0]), [40, 24]);
        assert_eq!(shares_by_speed(60, 8, &[1.0, 2.0]), [24, 36]);
        assert_eq!(shares_by_speed(10, 1, &[1.0, 1.0, 1.0]), [4, 3, 3]);
        // a slow one has at least one unit, and a speed that is not known changes nothing
        assert_eq!(shares_by_speed(4, 1, &[1000.0, 1.0, 1000.0]), [2, 1, 1]);
        assert_eq!(shares_by_speed(8, 1, &[f64::NAN, 1.0]), [4, 4]);
        assert_eq!((unit(64, 2), unit(16, 2), unit(3, 2)), (16, 4, 1));
        assert_eq!(shares_by_speed(2, 1, &[1.0, 5.0, 5.0]), even_shares(2, 3));
    }

    #[test]
    fn parts_cover_every_batch() {
        for shares in [vec![43, 21], vec![1, 0, 63], vec![64]] {
            for len in [0, 1, 2, 35, 64, 1000] {
                let parts: Vec<_> = (0..shares.len()).map(|rank| part(&shares, rank, len)).collect();
                assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, len), "{shares:?}, {len}");
                assert!(parts.windows(2).all(|two| two[0].end == two[1].start), "{parts:?}");
            }
        }
        assert_eq!(part(&[43, 21], 1, 64), 43..64);
    }

    #[test]
    fn requests_are_bits() {
        for requests in (0..8).map(Requests::of) {
            assert_eq!(Requests::of(requests.bits()), requests);
        }
    }
}
