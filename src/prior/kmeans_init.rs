//! Initialization of a mixture by k-means++ and k-means, and the seeded random streams of the prior.
//! Read this for reproducibility: every random number of the prior comes from here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Purposes of random streams that share one seed.
pub(super) const SAMPLE: u64 = 1;
pub(super) const SPLIT: u64 = 2;
pub(super) const START: u64 = 3;

/// Rounds of k-means before EM.
const ROUNDS: u32 = 10;

/// The ChaCha8 stream keyed by `(seed, purpose, number)`.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64, purpose: u64, number: u64) -> Self {
        let mut key = [0u8; 32];
        // keeps the streams of this module apart from those of others
        key[24..29].copy_from_slice(b"prior");
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&purpose.to_le_bytes());
        key[16..24].copy_from_slice(&number.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// From 0 to below 1, a multiple of 2^-53.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// A standard normal, by Box-Muller.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An integer from 0 to below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // multiply-shift: the bias of 2^-64 * bound is negligible
        ((bound as u128 * u128::from(self.0.next_u64())) >> 64) as usize
    }

    /// A permutation of `0..len`, by Fisher-Yates.
    pub(super) fn order(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// Rows with the metric of k-means: each dimension is divided by its standard deviation, so that units do not matter.
pub(super) struct Rows<'a> {
    pub(super) rows: &'a [f32],
    pub(super) dims: usize,
    /// 1 / variance of each dimension; 0 for a dimension (almost) without variance
    pub(super) precision: &'a [f64],
}

impl Rows<'_> {
    fn row(&self, n: usize) -> &[f32] {
        &self.rows[n * self.dims..][..self.dims]
    }

    fn distance(&self, n: usize, centre: &[f64]) -> f64 {
        let terms = self.row(n).iter().zip(centre).zip(self.precision);
        terms.map(|((&z, c), p)| (f64::from(z) - c).powi(2) * p).sum()
    }

    fn centre(&self, n: usize) -> Vec<f64> {
        self.row(n).iter().copied().map(f64::from).collect()
    }

    /// k-means++: each further centre is a row drawn with probability proportional to its squared distance from the
    /// nearest centre so far. Fewer than `among` centres if there are fewer distinct rows.
    /// Source: Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    pub(super) fn centres(&self, among: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
        let count = self.rows.len() / self.dims;
        let mut centres = vec![self.centre(stream.below(count))];
        let mut nearest = vec![f64::INFINITY; count];
        while centres.len() < among {
            let Some(last) = centres.last() else { break };
            for (n, near) in nearest.iter_mut().enumerate() {
                *near = near.min(self.distance(n, last));
            }
            let mut left = stream.uniform() * nearest.iter().sum::<f64>();
            // rounding may leave a rest after the last row: then the last candidate is used
            let mut drawn = None;
            for (n, &near) in nearest.iter().enumerate().filter(|(_, near)| **near > 0.0) {
                drawn = Some(n);
                left -= near;
                if left < 0.0 {
                    break;
                }
            }
            let Some(n) = drawn else { break };
            centres.push(self.centre(n));
        }
        centres
    }

    /// The cluster index of each row and the number of clusters, by k-means from a k-means++ start.
    /// Source of the rounds: Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982).
    pub(super) fn clusters(&self, among: usize, stream: &mut Stream) -> (Vec<usize>, usize) {
        let mut centres = self.centres(among, stream);
        let count = self.rows.len() / self.dims;
        let mut cluster = vec![usize::MAX; count];
        for _ in 0..ROUNDS {
            let mut moved = false;
            for (n, own) in cluster.iter_mut().enumerate() {
                let distances = centres.iter().map(|c| self.distance(n, c)).enumerate();
                let (nearest, _) =
                    distances.fold((0, f64::INFINITY), |best, at| if at.1 < best.1 { at } else { best });
                moved |= *own != nearest;
                *own = nearest;
            }
            if !moved {
                break;
            }
            self.recentre(&cluster, &mut centres);
        }
        (cluster, centres.len())
    }

    /// Moves each centre to the mean of its rows; a centre without rows stays.
    fn recentre(&self, cluster: &[usize], centres: &mut [Vec<f64>]) {
        let mut sums = vec![vec![0.0; self.dims]; centres.len()];
        let mut counts = vec![0u64; centres.len()];
        for (n, &own) in cluster.iter().enumerate() {
            counts[own] += 1;
            for (sum, &z) in sums[own].iter_mut().zip(self.row(n)) {
                *sum += f64::from(z);
            }
        }
        for ((centre, sum), &count) in
            centres.iter_mut().zip(sums).zip(&counts).filter(|(_, count)| **count > 0)
        {
            *centre = sum.into_iter().map(|s| s / count as f64).collect();
        }
    }
}
