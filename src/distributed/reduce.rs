//! Sums of vectors over all processes, always in the order of the ranks.
//!
//! Each rank receives its piece of the vector from all ranks, adds them up in f64 in the order of the ranks, and sends the
//! sum to all: an all-to-all and an all-gather, which together move as much as a ring. The bits are the same with every MPI
//! library, and do not depend on the length of the vector. See [`Communicator`] for the reason.
//!
//! In f16 pieces travel in 16 bits. Each rank keeps what rounding took away and adds it to its next vector, and so does the
//! rank that sums a piece. Source: Tang et al., "DoubleSqueeze: parallel stochastic gradient descent with double-pass
//! error-compensated compression", 2019.

use std::collections::HashMap;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::Communicator;
use crate::element::Element;
use crate::error::Result;

/// Elements that a sum takes at once: they stay in the processor's first cache.
const BLOCK: usize = 1024;
/// Halves before each piece: the exponent of its scale, 32 bits.
const HEADER: usize = 2;
/// The largest value of a piece is scaled to below this power of two: f16 has values up to 65,504.
const LARGEST: i32 = 14;

/// Errors of rounding the vector of one key to f16.
#[derive(Default)]
struct Residuals {
    /// residual of this rank's vector
    own: Vec<f32>,
    /// residual of the sum of this rank's piece
    sum: Vec<f32>,
}

/// Sums vectors over all processes.
#[derive(Default)]
pub struct Sums {
    residuals: HashMap<usize, Residuals>,
    received: Vec<f32>,
}

impl Sums {
    /// Replaces `values` by their sum over all ranks. `key` tells vectors apart whose residuals are kept.
    ///
    /// # Errors
    /// If another process is lost.
    pub fn sum(
        &mut self,
        group: &mut dyn Communicator,
        (key, wire): (usize, Element),
        values: &mut Vec<f32>,
    ) -> Result<()> {
        let (len, ranks) = (values.len(), group.size());
        let piece = len.div_ceil(ranks).next_multiple_of(4);
        values.resize(piece * ranks, 0.0);
        match wire {
            Element::F32 => self.sum_f32(group, values)?,
            Element::F16 => self.sum_f16(group, key, values)?,
        }
        values.truncate(len);
        Ok(())
    }

    /// Forgets what rounding took away, so that a resumed training goes on as an uninterrupted one.
    pub fn forget(&mut self) {
        self.residuals.clear();
    }

    fn sum_f32(&mut self, group: &mut dyn Communicator, values: &mut [f32]) -> Result<()> {
        let piece = values.len() / group.size();
        self.received.resize(values.len(), 0.0);
        group.all_to_all(bytemuck::cast_slice(values), bytemuck::cast_slice_mut(&mut self.received))?;
        add_pieces(&mut self.received, piece);
        let sum = bytemuck::cast_slice(&self.received[..piece]);
        group.all_gather(sum, bytemuck::cast_slice_mut(values))
    }

    fn sum_f16(&mut self, group: &mut dyn Communicator, key: usize, values: &mut [f32]) -> Result<()> {
        let (ranks, piece) = (group.size(), values.len() / group.size());
        let residuals = self.residuals.entry(key).or_default();
        residuals.own.resize(values.len(), 0.0);
        residuals.sum.resize(piece, 0.0);
        let mut sent = vec![0u16; ranks * (HEADER + piece)];
        let mut received = sent.clone();
        let pieces = values.chunks_mut(piece).zip(residuals.own.chunks_mut(piece));
        for (to, (values, residual)) in sent.chunks_mut(HEADER + piece).zip(pieces) {
            encode(values, residual, to);
        }
        group.all_to_all(bytemuck::cast_slice(&sent), bytemuck::cast_slice_mut(&mut received))?;
        self.received.resize(values.len(), 0.0);
        for (to, from) in self.received.chunks_mut(piece).zip(received.chunks(HEADER + piece)) {
            decode(from, to);
        }
        add_pieces(&mut self.received, piece);
        let sum = &mut received[..HEADER + piece];
        encode(&mut self.received[..piece], &mut residuals.sum, sum);
        group.all_gather(bytemuck::cast_slice(sum), bytemuck::cast_slice_mut(&mut sent))?;
        for (to, from) in values.chunks_mut(piece).zip(sent.chunks(HEADER + piece)) {
            decode(from, to);
        }
        Ok(())
    }
}

/// Adds the pieces of `all` in their order, into the first.
fn add_pieces(all: &mut [f32], piece: usize) {
    let mut sums = [0f64; BLOCK];
    for begin in (0..piece).step_by(BLOCK) {
        let end = piece.min(begin + BLOCK);
        let sums = &mut sums[..end - begin];
        sums.fill(0.0);
        for of_rank in all.chunks(piece) {
            sums.iter_mut().zip(&of_rank[begin..end]).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        all[begin..end].iter_mut().zip(sums).for_each(|(to, sum)| *to = *sum as f32);
    }
}

/// Adds `residual` to `values` and rounds to f16 with a common scale, into `to`; what rounding takes away is the new residual.
fn encode(values: &mut [f32], residual: &mut [f32], to: &mut [u16]) {
    values.iter_mut().zip(&*residual).for_each(|(value, residual)| *value += residual);
    let finite = values.iter().map(|value| value.abs()).filter(|value| value.is_finite());
    let largest = finite.fold(0.0, f32::max);
    // 2^(exponent - 1) <= largest < 2^exponent
    let exponent = if largest > 0.0 { largest.log2().floor() as i32 + 1 } else { LARGEST };
    let exponent = (LARGEST - exponent).clamp(-126, 126);
    let (header, halves) = to.split_at_mut(HEADER);
    header.copy_from_slice(bytemuck::cast_slice(&[exponent]));
    let scale = (exponent as f32).exp2();
    residual.iter_mut().zip(&*values).for_each(|(scaled, value)| *scaled = value * scale);
    halves.reinterpret_cast_mut::<f16>().convert_from_f32_slice(residual);
    for ((residual, value), half) in residual.iter_mut().zip(values).zip(halves) {
        let lost = *value - f16::from_bits(*half).to_f32() / scale;
        *residual = if lost.is_finite() { lost } else { 0.0 };
    }
}

fn decode(from: &[u16], values: &mut [f32]) {
    let (header, halves) = from.split_at(HEADER);
    let exponent: i32 = bytemuck::pod_read_unaligned(bytemuck::cast_slice(header));
    halves.reinterpret_cast::<f16>().convert_to_f32_slice(values);
    let scale = (-exponent as f32).exp2();
    values.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::super::Threads;
    use super::*;

    /// Sums over `ranks` threads of vectors that `make` gives for a rank and a round.
    fn summed(ranks: usize, wire: Element, rounds: u32, make: fn(usize, u32) -> Vec<f32>) -> Vec<Vec<f32>> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = Threads::connect(ranks)
                .into_iter()
                .map(|mut group| {
                    scope.spawn(move || {
                        let (mut sums, mut all) = (Sums::default(), Vec::new());
                        for round in 0..rounds {
                            let mut values = make(group.rank(), round);
                            sums.sum(&mut group, (0, wire), &mut values).expect("a sum");
                            all.push(values);
                        }
                        all
                    })
                })
                .collect();
            let mut of_ranks = threads.into_iter().map(|thread| thread.join().expect("a thread"));
            let first = of_ranks.next().expect("a rank");
            let bits =
                |all: &[Vec<f32>]| all.concat().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            of_ranks.for_each(|other| assert!(bits(&other) == bits(&first), "all ranks have the same bits"));
            first
        })
    }

    fn noise(rank: usize, round: u32) -> Vec<f32> {
        (0..5003)
            .map(|i| ((i * 7919 + rank * 104_729 + round as usize * 31) % 20_011) as f32 / 1e4 - 1.0)
            .collect()
    }

    #[test]
    fn sums_are_those_of_f64_in_the_order_of_ranks() {
        for ranks in 1..=5 {
            let sum = &summed(ranks, Element::F32, 1, noise)[0];
            assert_eq!(sum.len(), 5003);
            for (i, value) in sum.iter().enumerate() {
                let expected: f64 = (0..ranks).map(|rank| f64::from(noise(rank, 0)[i])).sum();
                assert_eq!(value.to_bits(), (expected as f32).to_bits(), "{ranks} ranks, element {i}");
            }
        }
    }

    /// One sum in f16 is off by its rounding; the sum of many is not, because errors are fed back.
    #[test]
    fn errors_of_f16_do_not_add_up() {
        let constant = |rank: usize, _: u32| vec![0.1 + 1e-5 * rank as f32, -3e5, 1e-6, 0.0, 7e-12];
        let (ranks, rounds) = (3, 400);
        let sums = summed(ranks, Element::F16, rounds, constant);
        for i in 0..5 {
            let of_round =
                |round: u32| -> f64 { (0..ranks).map(|rank| f64::from(constant(rank, round)[i])).sum() };
            let exact: f64 = (0..rounds).map(of_round).sum();
            let total: f64 = sums.iter().map(|sum| f64::from(sum[i])).sum();
            // the residuals are below one rounding of the largest value
            assert!((total - exact).abs() <= 3.0 * 3e5 / 1024.0, "element {i}: {total} and {exact}");
        }
        let noisy = summed(2, Element::F16, 200, noise);
        for i in [0, 17, 5002] {
            let exact: f64 = (0..200).map(|round| f64::from(noise(0, round)[i] + noise(1, round)[i])).sum();
            let total: f64 = noisy.iter().map(|sum| f64::from(sum[i])).sum();
            assert!((total - exact).abs() < 4e-3, "element {i}: {total} and {exact}");
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for wire in [Element::F32, Element::F16] {
            let bad = |rank: usize, round: u32| match (rank, round) {
                (1, 0) => vec![f32::NAN, f32::INFINITY, 1.0, 1.0],
                _ => vec![1.0; 4],
            };
            let sums = summed(2, wire, 2, bad);
            assert!(sums[0][0].is_nan() && sums[0][1].is_infinite(), "{wire:?}: {:?}", sums[0]);
            assert_eq!((sums[0][2], &sums[1]), (2.0, &vec![2.0; 4]), "{wire:?}");
        }
    }
}
