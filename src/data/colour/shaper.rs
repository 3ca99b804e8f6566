//! Conversion by three curves and a matrix, and by one curve for grey.
//!
//! Our own instead of moxcms's, because moxcms 0.9 reads all channels with red's curve if exactly two neighbouring
//! channels share one (58 of 255 off), and because tables of our own are exact to the last unit.

use std::sync::{LazyLock, OnceLock};

use super::curve::{Curve, srgb_of};
use super::primaries::{Matrix, Primaries, inverse, product};

/// Steps of light that the output distinguishes: fewer than a quarter of a unit of sRGB each, where it is steepest.
const STEPS: usize = 1 << 14;
/// Bits behind the point of a step in the sums of [`Shaper::convert`].
const FRACTION: u32 = 11;
/// Largest factor of a matrix, so that the sums fit in 32 bits.
const MAX_FACTOR: f32 = 16.0;
/// The sRGB byte of each step of light.
static ENCODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |step: usize| (255.0 * srgb_of(step as f64 / STEPS as f64)).round() as u8;
    (0..=STEPS).map(byte).collect()
});

fn encoded(light: f32) -> u8 {
    ENCODE[(light * STEPS as f32 + 0.5).clamp(0.0, STEPS as f32) as usize]
}

/// RGB to sRGB by a curve for each channel and a matrix.
pub(in crate::data) struct Shaper {
    curves: [Curve; 3],
    /// from linear RGB to linear sRGB
    matrix: [[f32; 3]; 3],
    /// for each channel and byte its share of linear red, green and blue, in steps of [`ENCODE`] with [`FRACTION`] more
    /// bits; those of red have the half for rounding
    eight: [Vec<[i32; 4]>; 3],
    /// light of each 16-bit value
    sixteen: OnceLock<[Vec<f32>; 3]>,
}

impl Shaper {
    /// A conversion from the space with these `curves` and this matrix to D50; `None` if numbers are out of range.
    pub(super) fn new(curves: [Curve; 3], to_connection: &Matrix) -> Option<Self> {
        let matrix = product(&inverse(&Primaries::SRGB.to_connection()?)?, to_connection);
        let matrix = matrix.map(|row| row.map(|value| value as f32));
        if !matrix.iter().flatten().all(|value| value.abs() <= MAX_FACTOR) {
            return None;
        }
        let eight = [0, 1, 2].map(|channel| {
            let scale = matrix.map(|row| row[channel] * (STEPS << FRACTION) as f32);
            let half = if channel == 0 { 1 << (FRACTION - 1) } else { 0 };
            let share = |light: f32| {
                let [r, g, b] = scale.map(|scale| (light * scale).round() as i32 + half);
                [r, g, b, 0]
            };
            curves[channel].table(256).into_iter().map(share).collect()
        });
        Some(Self { curves, matrix, eight, sixteen: OnceLock::new() })
    }

    /// Converts RGB8 in place.
    pub(super) fn convert(&self, rgb: &mut [u8]) {
        let (encode, [red, green, blue]) = (&ENCODE[..], &self.eight);
        for pixel in rgb.as_chunks_mut::<3>().0 {
            let [r, g, b] = pixel.map(usize::from);
            let (r, g, b) = (red[r], green[g], blue[b]);
            for at in 0..3 {
                let step = (r[at] + g[at] + b[at]) >> FRACTION;
                pixel[at] = encode[step.clamp(0, STEPS as i32) as usize];
            }
        }
    }

    /// The sRGB bytes of RGB with 16 bits.
    pub(super) fn convert_wide(&self, rgb: &[u16]) -> Vec<u8> {
        let tables = self.sixteen.get_or_init(|| [0, 1, 2].map(|at| self.curves[at].table(1 << 16)));
        let pixel = |pixel: &[u16; 3]| {
            let light = [0, 1, 2].map(|at| tables[at][usize::from(pixel[at])]);
            self.matrix.map(|row| encoded(row[0] * light[0] + row[1] * light[1] + row[2] * light[2]))
        };
        rgb.as_chunks::<3>().0.iter().flat_map(pixel).collect()
    }
}

/// Grey to the grey of sRGB by one curve.
pub(in crate::data) struct GreyShaper {
    curve: Curve,
    lightness: bool,
    eight: Vec<u8>,
    sixteen: OnceLock<Vec<u8>>,
}

impl GreyShaper {
    /// With `lightness` the curve gives CIE L* instead of light, as in profiles that connect through Lab.
    pub(super) fn new(curve: Curve, lightness: bool) -> Self {
        let mut shaper = Self { curve, lightness, eight: Vec::new(), sixteen: OnceLock::new() };
        shaper.eight = shaper.table(256);
        shaper
    }

    fn table(&self, levels: usize) -> Vec<u8> {
        let light = |value: f32| if self.lightness { of_lightness(value) } else { value };
        self.curve.table(levels).into_iter().map(|value| encoded(light(value))).collect()
    }

    /// Converts grey with 8 bits in place.
    pub(super) fn convert(&self, grey: &mut [u8]) {
        grey.iter_mut().for_each(|grey| *grey = self.eight[usize::from(*grey)]);
    }

    /// The sRGB bytes of grey with 16 bits.
    pub(super) fn convert_wide(&self, grey: &[u16]) -> Vec<u8> {
        let table = self.sixteen.get_or_init(|| self.table(1 << 16));
        grey.iter().map(|&grey| table[usize::from(grey)]).collect()
    }
}

/// The light of CIE L*, both from 0 to 1 (ISO/CIE 11664-4).
fn of_lightness(l: f32) -> f32 {
    let f = (100.0 * l + 16.0) / 116.0;
    if f > 6.0 / 29.0 { f.powi(3) } else { 3.0 * (6.0 / 29.0_f32).powi(2) * (f - 4.0 / 29.0) }
}
