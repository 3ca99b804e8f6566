//! Reconstruction fidelity: MSE, PSNR, SSIM and MS-SSIM of a picture and its original.
//! Read this for windows, constants and borders, which determine whether numbers are comparable.

use rayon::prelude::*;

use super::{Result, refused};

/// Weights of the scales of [`ms_ssim`], finest first: Wang, Simoncelli and Bovik, "Multiscale structural similarity
/// for image quality assessment", Asilomar 2003, section 3.2. They sum to 1.0001, as published.
pub const SCALE_WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

const CHANNELS: usize = 3;
/// Side of the Gaussian window, and its standard deviation in pixels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// (K1 L)^2 and (K2 L)^2 with K1 = 0.01, K2 = 0.03 and L = 1, the range of the values.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Fidelity metrics of a pair of pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// [`mse`]
    pub mse: f64,
    /// [`psnr`] in dB
    pub psnr: f64,
    /// [`ssim`]
    pub ssim: f64,
    /// [`ms_ssim`]
    pub ms_ssim: f64,
}

/// Measures all pairs on all cores: entry `i` compares `a[i]` with `b[i]`.
///
/// # Errors
/// If a value is not in 0..=1.
///
/// # Panics
/// If the sets differ in length, or a picture is not `[size, size, 3]`.
pub fn compare(a: &[&[f32]], b: &[&[f32]], size: usize) -> Result<Vec<Fidelity>> {
    assert_eq!(a.len(), b.len(), "compare: {} pictures against {}", a.len(), b.len());
    let pair = |(a, b): (&&[f32], &&[f32])| {
        check("compare", a, b, size)?;
        let mse = squared_error(a, b);
        let channels: Vec<_> = similarities(a, b, size, scales(size)).collect();
        let ssim = mean(channels.iter().map(|scales| scales[0].ssim));
        let ms_ssim = mean(channels.iter().map(|scales| combined(scales)));
        Ok(Fidelity { mse, psnr: decibels(mse), ssim, ms_ssim })
    };
    a.par_iter().zip(b).map(pair).collect()
}

/// Mean squared error over all values.
///
/// # Errors
/// If a value is not in 0..=1.
///
/// # Panics
/// If a picture is not `[size, size, 3]`.
pub fn mse(a: &[f32], b: &[f32], size: usize) -> Result<f64> {
    check("mse", a, b, size)?;
    Ok(squared_error(a, b))
}

/// Peak signal-to-noise ratio, -10 log10([`mse`]) dB, for a peak of 1. Infinite for equal pictures.
///
/// # Errors
/// If a value is not in 0..=1.
///
/// # Panics
/// If a picture is not `[size, size, 3]`.
pub fn psnr(a: &[f32], b: &[f32], size: usize) -> Result<f64> {
    check("psnr", a, b, size)?;
    Ok(decibels(squared_error(a, b)))
}

/// Structural similarity, at most 1: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
/// visibility to structural similarity", IEEE TIP 13(4), 2004, equation 13, with their window, 11 x 11 and Gaussian of
/// 1.5 pixels.
///
/// It is averaged over the positions with the whole window inside the picture, and then over the channels. So it equals
/// scikit-image's `structural_similarity(a, b, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5,
/// use_sample_covariance=False)`: scikit-image reflects at the borders, but excludes those positions from its mean.
///
/// # Errors
/// If a value is not in 0..=1.
///
/// # Panics
/// If a picture is not `[size, size, 3]`.
pub fn ssim(a: &[f32], b: &[f32], size: usize) -> Result<f64> {
    check("ssim", a, b, size)?;
    Ok(mean(similarities(a, b, size, 1).map(|scales| scales[0].ssim)))
}

/// Multiscale structural similarity, 0 to 1: Wang, Simoncelli and Bovik 2003, equation 7.
///
/// For each channel, the product over the scales of (contrast times structure)^weight, with the luminance at the
/// coarsest scale only; then the mean over the channels. Each scale averages 2 x 2 pixels of the previous one. If there
/// are fewer than five [`scales`], the weights of the finest ones are used, divided by their sum. A negative similarity
/// counts as 0, because its root would not be real.
///
/// # Errors
/// If a value is not in 0..=1.
///
/// # Panics
/// If a picture is not `[size, size, 3]`.
pub fn ms_ssim(a: &[f32], b: &[f32], size: usize) -> Result<f64> {
    check("ms_ssim", a, b, size)?;
    Ok(mean(similarities(a, b, size, scales(size)).map(|scales| combined(&scales))))
}

/// Number of scales of [`ms_ssim`]: those of the five that are not smaller than the window of 11 pixels. One for a side
/// of 16, two for 32, three from 48, four from 96 and five from 176.
pub fn scales(size: usize) -> usize {
    (0..SCALE_WEIGHTS.len()).take_while(|scale| size >> scale >= WINDOW).count()
}

fn check(function: &str, a: &[f32], b: &[f32], size: usize) -> Result<()> {
    let values = size * size * CHANNELS;
    assert!(
        size.is_multiple_of(16) && (16..=512).contains(&size) && a.len() == values && b.len() == values,
        "{function}: {} and {} values are not two pictures [{size}, {size}, 3] with a side of 16, 32, .. 512",
        a.len(),
        b.len()
    );
    for (which, picture) in [("first", a), ("second", b)] {
        // a NaN is in no range
        if let Some(at) = picture.iter().position(|value| !(0.0..=1.0).contains(value)) {
            let value = picture[at];
            return refused(format!(
                "{function}: value {at} of the {which} picture is {value}, not in 0..=1"
            ));
        }
    }
    Ok(())
}

fn squared_error(a: &[f32], b: &[f32]) -> f64 {
    mean(a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)))
}

fn decibels(mse: f64) -> f64 {
    -10.0 * mse.log10()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Means over one scale of one channel.
struct Similarity {
    ssim: f64,
    /// contrast times structure: SSIM without the luminance
    structure: f64,
}

/// The scales of each channel, finest first.
fn similarities(
    a: &[f32],
    b: &[f32],
    size: usize,
    scales: usize,
) -> impl ExactSizeIterator<Item = Vec<Similarity>> {
    let window = window();
    (0..CHANNELS).map(move |channel| {
        let plane = |picture: &[f32]| -> Vec<f64> {
            picture[channel..].iter().step_by(CHANNELS).map(|&value| f64::from(value)).collect()
        };
        let (mut a, mut b, mut side) = (plane(a), plane(b), size);
        let mut found = vec![similarity(&a, &b, side, &window)];
        while found.len() < scales {
            (a, b) = (halved(&a, side), halved(&b, side));
            side /= 2;
            found.push(similarity(&a, &b, side, &window));
        }
        found
    })
}

fn combined(scales: &[Similarity]) -> f64 {
    let weights = &SCALE_WEIGHTS[..scales.len()];
    // five weights are used as published, for comparability with other implementations
    let sum = if weights.len() == SCALE_WEIGHTS.len() { 1.0 } else { weights.iter().sum() };
    let power = |(i, (scale, weight)): (usize, (&Similarity, &f64))| {
        let base = if i + 1 == scales.len() { scale.ssim } else { scale.structure };
        base.max(0.0).powf(weight / sum)
    };
    scales.iter().zip(weights).enumerate().map(power).product()
}

fn similarity(a: &[f64], b: &[f64], side: usize, window: &[f64; WINDOW]) -> Similarity {
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let local = |plane: &[f64]| weighted(plane, side, window);
    let (mean_a, mean_b) = (local(a), local(b));
    let (aa, bb, ab) = (local(&product(a, a)), local(&product(b, b)), local(&product(a, b)));
    let (mut ssim, mut structure) = (0.0, 0.0);
    for i in 0..ab.len() {
        let (ma, mb) = (mean_a[i], mean_b[i]);
        let (var_a, var_b, cov) = (aa[i] - ma * ma, bb[i] - mb * mb, ab[i] - ma * mb);
        let here = (2.0 * cov + C2) / (var_a + var_b + C2);
        structure += here;
        ssim += here * (2.0 * ma * mb + C1) / (ma * ma + mb * mb + C1);
    }
    let places = ab.len() as f64;
    Similarity { ssim: ssim / places, structure: structure / places }
}

/// The window along one axis; the 2D window is the outer product.
fn window() -> [f64; WINDOW] {
    let mut window = std::array::from_fn(|i| {
        let offset = i as f64 - (WINDOW / 2) as f64;
        (-0.5 * (offset / SIGMA).powi(2)).exp()
    });
    let sum: f64 = window.iter().sum();
    window.iter_mut().for_each(|weight| *weight /= sum);
    window
}

/// Weighted means under the window, at the positions with the window inside: `[side - 10, side - 10]`.
fn weighted(plane: &[f64], side: usize, window: &[f64; WINDOW]) -> Vec<f64> {
    let inner = side + 1 - WINDOW;
    let mut column = vec![0.0; side];
    let mut means = vec![0.0; inner * inner];
    for (y, means) in means.chunks_exact_mut(inner).enumerate() {
        column.fill(0.0);
        for (row, weight) in plane[y * side..].chunks_exact(side).zip(window) {
            column.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        // the loop over weights is outside: the inner loops run along a row and vectorize
        for (x, weight) in window.iter().enumerate() {
            means.iter_mut().zip(&column[x..]).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    means
}

fn halved(plane: &[f64], side: usize) -> Vec<f64> {
    let half = side / 2;
    let at = |y: usize, x: usize| plane[y * side + x];
    let square = |i: usize| {
        let (y, x) = (i / half * 2, i % half * 2);
        (at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4.0
    };
    (0..half * half).map(square).collect()
}
