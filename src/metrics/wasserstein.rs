//! The sliced Wasserstein distance between two sets of vectors, and its noise floor.
//! Read this to interpret distances between sets of pictures or latents.

use rand_chacha::rand_core::Rng;
use rayon::prelude::*;

use super::{Purpose, Result, refused, shuffled, stream};

/// Default number of projections, as in Karras et al. 2018 (4 times 128).
pub const PROJECTIONS: usize = 512;

/// Directions per pass over the vectors: four registers of four lanes.
const LANES: usize = 16;
/// Coordinates summed in f32 before the sum continues in f64: 16 KiB of directions, which fit in the L1 cache.
const RUN: usize = 256;

/// The directions of projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slicing {
    /// number of directions; the error of the mean falls with its square root
    pub projections: usize,
    /// seed; direction `i` is a function of it, of `i` and of the length of the vectors
    pub seed: u64,
}

impl Default for Slicing {
    fn default() -> Self {
        Self { projections: PROJECTIONS, seed: 0 }
    }
}

/// The sliced Wasserstein-1 distance between two sets of vectors of equal length, such as pictures or latents, in units
/// of a coordinate: Bonneel, Rabin, Peyre and Pfister, "Sliced and Radon Wasserstein barycenters of measures", JMIV
/// 2015, section 2.3, with exponent 1 as in Karras et al. 2018.
///
/// It is the mean, over random directions on the unit sphere, of the distance between the sets' projections, which in
/// one dimension is the integral of |quantile of a - quantile of b|. The quantile functions are steps, so the integral
/// is a finite sum, also for sets of different size; for sets of equal size it is the mean |a - b| of sorted values.
///
/// Two sets that differ by a shift m have distance |m| gamma(d/2) / (sqrt(pi) gamma((d+1)/2)), about 0.8 |m| / sqrt(d)
/// in d dimensions: distances for different d are not comparable.
///
/// # Errors
/// If a coordinate is not finite.
///
/// # Panics
/// If a set is empty, the vectors differ in length, or there are no projections.
pub fn sliced_wasserstein(a: &[&[f32]], b: &[&[f32]], slicing: Slicing) -> Result<f64> {
    let len = |set: &[&[f32]]| set.first().map_or(0, |vector| vector.len());
    let dim = len(a);
    assert!(
        dim > 0 && a.iter().chain(b).all(|vector| vector.len() == dim) && !b.is_empty(),
        "sliced_wasserstein: {} vectors of {dim} against {} of {}, or some of another length",
        a.len(),
        b.len(),
        len(b)
    );
    assert!(slicing.projections > 0, "sliced_wasserstein: no projections");
    for (which, set) in [("first", a), ("second", b)] {
        if let Some(at) =
            set.par_iter().position_first(|vector| !vector.iter().all(|value| value.is_finite()))
        {
            return refused(format!("sliced_wasserstein: vector {at} of the {which} set is not finite"));
        }
    }
    let block = |block: usize| {
        let directions = directions(dim, block * LANES, slicing.seed);
        let (a, b) = (projected(a, &directions), projected(b, &directions));
        a.iter().zip(&b).map(|(a, b)| between_sorted(a, b)).collect::<Vec<f64>>()
    };
    // collected in order, and summed by one thread
    let blocks: Vec<Vec<f64>> = (0..slicing.projections.div_ceil(LANES)).into_par_iter().map(block).collect();
    let distances = blocks.into_iter().flatten().take(slicing.projections);
    Ok(distances.sum::<f64>() / slicing.projections as f64)
}

/// The noise floor: `distance` between two halves of one set, `real`, averaged over `splits` random halvings, element
/// by element. A distance to another set is significant only if it is clearly above this.
///
/// It is the floor for sets of half the size and is not rescaled: distances between samples of one distribution fall
/// about with the square root of their size, so for sets as large as `real` the floor is lower, by up to a factor of
/// sqrt(2). For a fair comparison, give `distance` sets of half the size. The halves are of equal size: of an odd
/// number, one vector is omitted.
///
/// # Errors
/// If `real` has fewer than two vectors, or `distance` fails.
///
/// # Panics
/// If there are no splits, or `distance` returns a different number of elements each time.
pub fn noise_floor<F>(real: &[&[f32]], splits: usize, seed: u64, distance: F) -> Result<Vec<f64>>
where
    F: Fn(&[&[f32]], &[&[f32]]) -> Result<Vec<f64>>,
{
    assert!(splits > 0, "noise_floor: no splits of {} pictures", real.len());
    if real.len() < 2 {
        return refused(format!("noise_floor: {} pictures have no halves", real.len()));
    }
    let mut mean: Vec<f64> = Vec::new();
    for split in 0..splits {
        let order = shuffled(real.len(), seed, Purpose::Halves, split as u64);
        let half = real.len() / 2;
        let pick = |order: &[usize]| -> Vec<&[f32]> { order.iter().map(|&i| real[i]).collect() };
        let found = distance(&pick(&order[..half]), &pick(&order[half..2 * half]))?;
        if split == 0 {
            mean = vec![0.0; found.len()];
        }
        assert_eq!(mean.len(), found.len(), "noise_floor: {} distances, then {}", mean.len(), found.len());
        mean.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / splits as f64);
    }
    Ok(mean)
}

/// Unit vectors from number `first` on, interleaved: `[dim, LANES]`.
fn directions(dim: usize, first: usize, seed: u64) -> Vec<f32> {
    let mut interleaved = vec![0.0; dim * LANES];
    for lane in 0..LANES {
        let mut stream = stream(seed, Purpose::Direction, (first + lane) as u64);
        let normals: Vec<f64> =
            (0..dim.div_ceil(2)).flat_map(|_| normal_pair(&mut stream)).take(dim).collect();
        let norm = normals.iter().map(|value| value * value).sum::<f64>().sqrt();
        for (i, value) in normals.iter().enumerate() {
            interleaved[i * LANES + lane] = (value / norm) as f32;
        }
    }
    interleaved
}

/// Two standard normals, by Box-Muller (1958).
fn normal_pair(stream: &mut impl Rng) -> [f64; 2] {
    // 53 bits; the first in (0, 1], because of the logarithm
    let mut uniform = |offset: u64| ((stream.next_u64() >> 11) + offset) as f64 / (1u64 << 53) as f64;
    let radius = (-2.0 * uniform(1).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * uniform(0)).sin_cos();
    [radius * cos, radius * sin]
}

/// The projections of the set on each direction, sorted.
fn projected(set: &[&[f32]], directions: &[f32]) -> Vec<Vec<f32>> {
    let mut sums = vec![[0.0f64; LANES]; set.len()];
    for (run, directions) in directions.chunks(RUN * LANES).enumerate() {
        for (vector, sums) in set.iter().zip(&mut sums) {
            let mut partial = [0.0f32; LANES];
            for (value, directions) in vector[run * RUN..].iter().zip(directions.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    partial[lane] += value * directions[lane];
                }
            }
            sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += f64::from(partial));
        }
    }
    let sorted = |lane: usize| {
        let mut values: Vec<f32> = sums.iter().map(|sums| sums[lane] as f32).collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    };
    (0..LANES).map(sorted).collect()
}

/// The integral of |quantile of a - quantile of b| over 0..1. Value `i` of n is the quantile from i/n to (i+1)/n;
/// positions are in units of 1 / (n m), so that they are integers.
fn between_sorted(a: &[f32], b: &[f32]) -> f64 {
    let (n, m) = (a.len() as u64, b.len() as u64);
    let (mut i, mut j, mut place, mut sum) = (0, 0, 0, 0.0);
    while place < n * m {
        let (end_a, end_b) = ((i as u64 + 1) * m, (j as u64 + 1) * n);
        let end = end_a.min(end_b);
        sum += (f64::from(a[i]) - f64::from(b[j])).abs() * (end - place) as f64;
        i += usize::from(end == end_a);
        j += usize::from(end == end_b);
        place = end;
    }
    sum / (n * m) as f64
}
