//! Seeded shuffling, written out in full.
//! Read this before changing anything that affects the order of epochs.
//!
//! The order of an epoch must be reproducible, also when a run resumes in the middle of one, and must not change when a
//! dependency changes its shuffle. So only the ChaCha8 stream comes from a crate; the rest is here.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Domain separators of the streams that share one seed.
pub(super) const SPLIT: u64 = 1;
const EPOCH: u64 = 2;

/// The order in which epoch `epoch` visits `len` pictures: a permutation of `0..len`.
///
/// It depends on its arguments alone, so it is identical on every platform and in every version. Epochs of one seed are
/// independent of each other. Lengths above `u32::MAX` are a programming mistake.
pub fn order(seed: u64, epoch: u32, len: usize) -> Vec<u32> {
    let len = u32::try_from(len).expect("order: more pictures than u32 can number");
    let mut order: Vec<u32> = (0..len).collect();
    shuffle(&mut order, seed, EPOCH, u64::from(epoch));
    order
}

/// Pictures `positions` of the epochs `first`, `first + 1` and so on, one after the other, each in its [`order`]. Batches
/// that go on over the ends of epochs are all full.
pub fn endless_order(seed: u64, first: u32, len: usize, positions: Range<u64>) -> Vec<u32> {
    let epochs = positions.start / len as u64..positions.end.div_ceil(len as u64);
    let orders = epochs.flat_map(|epoch| order(seed, first + epoch as u32, len));
    let count = (positions.end - positions.start) as usize;
    orders.skip((positions.start % len as u64) as usize).take(count).collect()
}

/// Fisher-Yates from the top, with ChaCha8 keyed by `(seed, purpose, number)`.
pub(super) fn shuffle<T>(items: &mut [T], seed: u64, purpose: u64, number: u64) {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    key[16..24].copy_from_slice(&number.to_le_bytes());
    let mut stream = ChaCha8Rng::from_seed(key);
    for last in (1..items.len()).rev() {
        // multiply-shift: the bias of 2^-64 * len is negligible
        let below = (last as u128 + 1) * u128::from(stream.next_u64());
        items.swap(last, (below >> 64) as usize);
    }
}

/// Indices of at most `most` of `len` items, evenly spaced, the first one first.
pub fn evenly(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let used = len.min(most);
    (0..used).map(move |at| at * len / used)
}
