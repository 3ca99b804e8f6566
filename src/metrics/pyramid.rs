//! Sliced Wasserstein distances of patches of a Laplacian pyramid: the similarity of two sets of pictures per scale.
//! Read this to compare its numbers with published ones.
//!
//! Karras, Aila, Laine and Lehtinen, "Progressive growing of GANs for improved quality, stability, and
//! variation", ICLR 2018, section 5, with the filters and borders of the code they published with it.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Purpose, Result, Slicing, below, refused, sliced_wasserstein, stream};

/// Patches per level of a picture, as in Karras et al. 2018.
pub const PATCHES: usize = 128;

const CHANNELS: usize = 3;
/// Side, area and number of values of a patch, channel by channel.
const PATCH: usize = 7;
const AREA: usize = PATCH * PATCH;
const VALUES: usize = CHANNELS * AREA;
/// Side of the coarsest level.
const COARSEST: usize = 16;
/// Standard deviation of a channel below which only rounding errors are left, so that it cannot be normalized.
const FLAT: f64 = 1e-6;

/// Sides of the levels, finest first: `size` is halved while it is at least 16.
pub fn level_sides(size: usize) -> Vec<usize> {
    std::iter::successors(Some(size), |side| Some(side / 2)).take_while(|&side| side >= COARSEST).collect()
}

/// The [`sliced_wasserstein`] distance of 7 x 7 patches at each of the [`level_sides`], finest first, in standard
/// deviations of a channel of that level (Karras et al. print them times 1000).
///
/// From every level of every picture, `patches` are taken at random positions. Over the patches of a set and level,
/// each channel is normalized to mean 0 and variance 1. As in the paper each set has its own normalization, so these
/// distances ignore brightness and contrast; distances of whole pictures include them.
///
/// Differences from the paper: picture `i` of both sets is cut at identical positions, so that equal sets have distance
/// 0, and reconstructions are compared with their originals at the same place; the paper has 16384 pictures per set,
/// here the number is that of the given pictures; and the directions are those of [`Slicing`].
///
/// Memory: 588 bytes per picture and patch of both sets, and less than that again for the projections.
///
/// # Errors
/// If a value is not finite, or a channel of a level is constant.
///
/// # Panics
/// If a set is empty, a picture is not `[size, size, 3]`, or there are no patches or projections.
pub fn patch_distances(
    a: &[&[f32]],
    b: &[&[f32]],
    size: usize,
    patches: usize,
    slicing: Slicing,
) -> Result<Vec<f64>> {
    assert!(
        !a.is_empty() && !b.is_empty() && patches > 0,
        "patch_distances: {patches} patches of each of {} pictures against {}",
        a.len(),
        b.len()
    );
    a.iter().chain(b).for_each(|picture| check("patch_distances", picture.len(), size));
    let level = |(level, side): (usize, usize)| {
        let patches_of = |which: &str, set: &[&[f32]]| {
            let cut = |(i, picture): (usize, &&[f32])| {
                // picture and level in one number
                let mut places = stream(slicing.seed, Purpose::Patch, (i as u64) << 8 | level as u64);
                cut(&pyramid(picture, size)[level], side, patches, &mut places)
            };
            let mut cut: Vec<f32> = set.par_iter().enumerate().map(cut).collect::<Vec<_>>().concat();
            match normalise(&mut cut) {
                Ok(()) => Ok(cut),
                Err(fault) => refused(format!("patch_distances: level {side} of the {which} set {fault}")),
            }
        };
        let (a, b) = (patches_of("first", a)?, patches_of("second", b)?);
        let a: Vec<&[f32]> = a.chunks_exact(VALUES).collect();
        let b: Vec<&[f32]> = b.chunks_exact(VALUES).collect();
        sliced_wasserstein(&a, &b, slicing)
    };
    level_sides(size).into_iter().enumerate().map(level).collect()
}

/// The Laplacian pyramid of a picture: Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE TCOM
/// 31(4), 1983. One level `[3, side, side]` for each of the [`level_sides`]; each except the last is the difference
/// from the upsampled next coarser one.
///
/// The filter is (1 4 6 4 1) / 16 along both axes; borders are mirrored without repeating the outermost pixel.
///
/// # Panics
/// If the picture is not `[size, size, 3]`.
pub fn laplacian_pyramid(picture: &[f32], size: usize) -> Vec<Vec<f32>> {
    check("laplacian_pyramid", picture.len(), size);
    pyramid(picture, size)
}

fn check(function: &str, len: usize, size: usize) {
    assert!(
        size.is_multiple_of(16) && (16..=512).contains(&size) && len == size * size * CHANNELS,
        "{function}: {len} values are not a picture [{size}, {size}, 3] with a side of 16, 32, .. 512"
    );
}

fn pyramid(picture: &[f32], size: usize) -> Vec<Vec<f32>> {
    let channel = |channel: usize| picture[channel..].iter().step_by(CHANNELS).copied();
    let mut levels = vec![(0..CHANNELS).flat_map(channel).collect::<Vec<f32>>()];
    for side in level_sides(size).windows(2) {
        let (fine, coarse) = (side[0], side[1]);
        let finest = levels.len() - 1;
        let next = resampled(&levels[finest], fine, &down_taps(fine));
        let back = resampled(&next, coarse, &up_taps(coarse));
        levels[finest].iter_mut().zip(back).for_each(|(value, back)| *value -= back);
        levels.push(next);
    }
    levels
}

/// Filter taps of an output position: input positions along an axis, and their weights.
type Taps = Vec<(usize, f32)>;

/// Taps of blurring and subsampling by 2.
fn down_taps(side: usize) -> Vec<Taps> {
    let mirror = |place: isize| match place.unsigned_abs() {
        inside if inside < side => inside,
        beyond => 2 * (side - 1) - beyond,
    };
    let taps = |to: usize| {
        let weights = [1.0, 4.0, 6.0, 4.0, 1.0].map(|weight| weight / 16.0);
        weights
            .iter()
            .enumerate()
            .map(|(i, &weight)| (mirror(2 * to as isize + i as isize - 2), weight))
            .collect()
    };
    (0..side / 2).map(taps).collect()
}

/// Taps of zero insertion followed by twice the blur. A zero follows the last pixel, so the mirror image contains the
/// last pixel itself at the far end, but the second one at the near end.
fn up_taps(side: usize) -> Vec<Taps> {
    let taps = |to: usize| {
        let (here, after) = (to / 2, (to / 2 + 1).min(side - 1));
        let before = if here == 0 { 1 } else { here - 1 };
        match to % 2 {
            0 => vec![(before, 0.125), (here, 0.75), (after, 0.125)],
            _ => vec![(here, 0.5), (after, 0.5)],
        }
    };
    (0..2 * side).map(taps).collect()
}

/// Applies `taps` along both axes of planes `[3, side, side]`.
fn resampled(planes: &[f32], side: usize, taps: &[Taps]) -> Vec<f32> {
    let mut result = Vec::with_capacity(CHANNELS * taps.len() * taps.len());
    let mut column = vec![0.0; side];
    for plane in planes.chunks_exact(side * side) {
        for vertical in taps {
            column.fill(0.0);
            for &(y, weight) in vertical {
                let row = &plane[y * side..(y + 1) * side];
                column.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
            result.extend(
                taps.iter().map(|taps| taps.iter().map(|&(x, weight)| weight * column[x]).sum::<f32>()),
            );
        }
    }
    result
}

/// Cuts patches at random positions of a level: `[patches, 3, 7, 7]`.
fn cut(level: &[f32], side: usize, patches: usize, places: &mut ChaCha8Rng) -> Vec<f32> {
    let mut cut = Vec::with_capacity(patches * VALUES);
    for _ in 0..patches {
        let (top, left) = (below(places, side - PATCH + 1), below(places, side - PATCH + 1));
        for plane in level.chunks_exact(side * side) {
            for row in plane.chunks_exact(side).skip(top).take(PATCH) {
                cut.extend(&row[left..left + PATCH]);
            }
        }
    }
    cut
}

/// Normalizes each channel to mean 0 and variance 1 over all patches; the error is the reason why it cannot.
fn normalise(patches: &mut [f32]) -> std::result::Result<(), String> {
    for channel in 0..CHANNELS {
        let planes = || patches.chunks_exact(AREA).skip(channel).step_by(CHANNELS);
        let count = (patches.len() / CHANNELS) as f64;
        let mean = planes().flatten().map(|&value| f64::from(value)).sum::<f64>() / count;
        let squares = planes().flatten().map(|&value| (f64::from(value) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        if !deviation.is_finite() {
            return Err(format!("is not finite in channel {channel}"));
        }
        if deviation < FLAT {
            return Err(format!("is flat in channel {channel}: its standard deviation is {deviation:e}"));
        }
        for value in patches.chunks_exact_mut(AREA).skip(channel).step_by(CHANNELS).flatten() {
            *value = ((f64::from(*value) - mean) / deviation) as f32;
        }
    }
    Ok(())
}
