//! The inverse DCT: from the coefficients of a block to its samples.
//! Read this for the integer arithmetic, which must equal libjpeg's bit for bit.

use std::num::Wrapping;

use super::tables::Quantizer;

/// Integers that wrap: damaged files give values of any size.
type Number = Wrapping<i32>;

/// Fraction bits of the constants.
const CONST_BITS: usize = 13;
/// Additional fraction bits kept between the column pass and the row pass.
const PASS_BITS: usize = 2;

/// `value` as a fixed-point number with [`CONST_BITS`] fraction bits.
const fn fixed(value: f64) -> Number {
    Wrapping((value * (1 << CONST_BITS) as f64 + 0.5) as i32)
}

/// Writes the samples of a block to the first `side` rows and columns of `out`, whose rows are `stride` apart.
/// `highest` is the zigzag index of the last coefficient that is not 0.
#[inline(always)]
pub(super) fn put(
    block: &[i16; 64],
    quantizer: &Quantizer,
    highest: usize,
    side: usize,
    out: &mut [u8],
    stride: usize,
) {
    match side {
        1 => out[0] = level(block[0], quantizer),
        2 => put_2(block, quantizer, out, stride),
        4 if highest == 0 => put_level::<4>(level(block[0], quantizer), out, stride),
        4 => put_4(block, quantizer, out, stride),
        _ if highest == 0 => put_level::<8>(level(block[0], quantizer), out, stride),
        _ if highest <= WITHIN_4 => put_8::<4>(block, quantizer, out, stride),
        _ => put_8::<8>(block, quantizer, out, stride),
    }
}

/// The sample value of a block that has only its first (DC) coefficient.
#[inline(always)]
pub(super) fn level(first: i16, quantizer: &Quantizer) -> u8 {
    sample(descale(Wrapping(i32::from(first) * i32::from(quantizer[0])), 3))
}

#[inline(always)]
fn put_level<const SIDE: usize>(level: u8, out: &mut [u8], stride: usize) {
    for row in out.chunks_mut(stride).take(SIDE) {
        row[..SIDE].copy_from_slice(&[level; SIDE]);
    }
}

#[inline(always)]
fn dequantized(block: &[i16; 64], quantizer: &Quantizer, at: usize) -> Number {
    Wrapping(i32::from(block[at]) * i32::from(quantizer[at]))
}

#[inline(always)]
fn sample(level: Number) -> u8 {
    (level + Wrapping(128)).0.clamp(0, 255) as u8
}

/// Removes `bits` fraction bits from `value`, rounding.
#[inline(always)]
fn descale(value: Number, bits: usize) -> Number {
    (value + Wrapping(1 << (bits - 1))) >> bits
}

/// The 2x2 inverse DCT of the four lowest frequencies.
#[inline(always)]
fn put_2(block: &[i16; 64], quantizer: &Quantizer, out: &mut [u8], stride: usize) {
    let at = |at| dequantized(block, quantizer, at);
    let (a, b, c, d) = (at(0), at(1), at(8), at(9));
    let put = |sum: Number| sample(descale(sum, 3));
    out[..2].copy_from_slice(&[put(a + b + c + d), put(a - b + c - d)]);
    out[stride..stride + 2].copy_from_slice(&[put(a + b - c - d), put(a - b - c + d)]);
}

/// The 4x4 inverse DCT of the sixteen lowest frequencies.
fn put_4(block: &[i16; 64], quantizer: &Quantizer, out: &mut [u8], stride: usize) {
    let mut columns = [[Wrapping(0); 4]; 4];
    for x in 0..4 {
        let at = |y: usize| dequantized(block, quantizer, y * 8 + x);
        let column = transform_4([at(0), at(1), at(2), at(3)]);
        for (row, value) in columns.iter_mut().zip(column) {
            row[x] = descale(value, CONST_BITS - PASS_BITS);
        }
    }
    for (row, out) in columns.into_iter().zip(out.chunks_mut(stride)) {
        for (to, value) in out.iter_mut().zip(transform_4(row)) {
            *to = sample(descale(value, CONST_BITS + PASS_BITS + 3));
        }
    }
}

/// The 4-point inverse DCT, with [`CONST_BITS`] fraction bits.
#[inline(always)]
fn transform_4([c0, c1, c2, c3]: [Number; 4]) -> [Number; 4] {
    let (even0, even1) = ((c0 + c2) << CONST_BITS, (c0 - c2) << CONST_BITS);
    let odd0 = c1 * fixed(1.306_562_965) + c3 * fixed(0.541_196_1);
    let odd1 = c1 * fixed(0.541_196_1) - c3 * fixed(1.306_562_965);
    [even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0]
}

/// Zigzag index up to which all coefficients are within the 4x4 lowest frequencies: most blocks end before.
const WITHIN_4: usize = 9;

/// The 8x8 inverse DCT, if all coefficients are among the `SIDE` lowest frequencies.
fn put_8<const SIDE: usize>(block: &[i16; 64], quantizer: &Quantizer, out: &mut [u8], stride: usize) {
    let mut columns = [[Wrapping(0); 8]; 8];
    for x in 0..SIDE {
        let below = (1..SIDE).fold(0, |any, y| any | block[y * 8 + x]);
        if below == 0 {
            let level = dequantized(block, quantizer, x) << PASS_BITS;
            for row in &mut columns {
                row[x] = level;
            }
            continue;
        }
        let mut column = [Wrapping(0); 8];
        for (y, value) in column.iter_mut().enumerate().take(SIDE) {
            *value = dequantized(block, quantizer, y * 8 + x);
        }
        for (row, value) in columns.iter_mut().zip(transform_8(column)) {
            row[x] = descale(value, CONST_BITS - PASS_BITS);
        }
    }
    for (row, out) in columns.into_iter().zip(out.chunks_mut(stride)) {
        let mut known = [Wrapping(0); 8];
        known[..SIDE].copy_from_slice(&row[..SIDE]);
        let mut samples = [0; 8];
        for (to, value) in samples.iter_mut().zip(transform_8(known)) {
            *to = sample(descale(value, CONST_BITS + PASS_BITS + 3));
        }
        out[..8].copy_from_slice(&samples);
    }
}

/// The 8-point inverse DCT with [`CONST_BITS`] fraction bits: Loeffler, Ligtenberg and Moschytz, ICASSP 1989, in the
/// integer arithmetic of libjpeg's `jidctint.c`, whose rounding is reproduced.
#[inline(always)]
fn transform_8(c: [Number; 8]) -> [Number; 8] {
    let z = (c[2] + c[6]) * fixed(0.541_196_1);
    let even2 = z - c[6] * fixed(1.847_759_065);
    let even3 = z + c[2] * fixed(0.765_366_865);
    let (even0, even1) = ((c[0] + c[4]) << CONST_BITS, (c[0] - c[4]) << CONST_BITS);
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let z5 = (c[7] + c[3] + c[5] + c[1]) * fixed(1.175_875_602);
    let z1 = (c[7] + c[1]) * fixed(0.899_976_223);
    let z2 = (c[5] + c[3]) * fixed(2.562_915_447);
    let z3 = z5 - (c[7] + c[3]) * fixed(1.961_570_56);
    let z4 = z5 - (c[5] + c[1]) * fixed(0.390_180_644);
    let odd = [
        c[1] * fixed(1.501_321_11) - z1 + z4,
        c[3] * fixed(3.072_711_026) - z2 + z3,
        c[5] * fixed(2.053_119_869) - z2 + z4,
        c[7] * fixed(0.298_631_336) - z1 + z3,
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}
