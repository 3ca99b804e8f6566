//! Upsampling of subsampled components to the picture's width, row by row.
//! Read this for the chroma filter, which must equal libjpeg-turbo's.
//!
//! A ratio of 2 is interpolated with weights of 3/4 and 1/4; other ratios repeat samples. Rounding and special cases
//! are those of libjpeg-turbo's `jdsample.c`.

use super::frame::{Component, Frame};

/// Upsampling method of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsample {
    /// Not subsampled.
    None,
    /// Ratio 2 horizontally, interpolated.
    Across,
    /// Ratio 2 vertically, interpolated.
    Down,
    /// Ratio 2 in both directions, interpolated.
    Both,
    /// Each sample is repeated, horizontally and vertically.
    Repeat([usize; 2]),
}

/// Scratch memory for a row.
#[derive(Clone, Default)]
pub(super) struct Spread {
    row: Vec<u8>,
    /// weighted sums of two rows of samples
    sums: Vec<u16>,
}

impl Upsample {
    pub(super) fn of(frame: &Frame, component: &Component) -> Self {
        let ratio =
            [0, 1].map(|axis| frame.densest[axis] * frame.side / (component.sampling[axis] * component.side));
        let (interpolates, wide) = (frame.side > 1, component.size[0] > 2);
        match ratio {
            [1, 1] => Self::None,
            [2, 1] if interpolates && wide => Self::Across,
            [1, 2] if interpolates => Self::Down,
            [2, 2] if interpolates && wide => Self::Both,
            ratio => Self::Repeat(ratio),
        }
    }

    /// Row `y` of the picture, in `spread` if it has to be computed. It may be longer than the picture is wide.
    pub(super) fn row<'a>(self, component: &'a Component, y: usize, spread: &'a mut Spread) -> &'a [u8] {
        let Spread { row: out, sums } = spread;
        let (near, odd) = (component.row(y / 2), y % 2 == 1);
        let far = component.row(if odd { y / 2 + 1 } else { (y / 2).saturating_sub(1) });
        match self {
            Self::None => return component.row(y),
            Self::Across => across(component.row(y), out),
            Self::Down => {
                let bias = if odd { 2 } else { 1 };
                out.clear();
                out.extend(
                    near.iter()
                        .zip(far)
                        .map(|(&n, &f)| ((u16::from(n) * 3 + u16::from(f) + bias) >> 2) as u8),
                );
            }
            Self::Both => both(near, far, sums, out),
            Self::Repeat([columns, rows]) => {
                out.clear();
                let row = component.row(y / rows);
                out.extend(row.iter().flat_map(|&sample| std::iter::repeat_n(sample, columns)));
            }
        }
        out
    }
}

fn across(row: &[u8], out: &mut Vec<u8>) {
    let wide = |at: usize| u16::from(row[at]);
    let last = row.len() - 1;
    out.clear();
    out.extend([row[0], ((wide(0) * 3 + wide(1) + 2) >> 2) as u8]);
    for three in row.windows(3) {
        let [left, here, right] = [0, 1, 2].map(|at| u16::from(three[at]));
        out.extend([((here * 3 + left + 1) >> 2) as u8, ((here * 3 + right + 2) >> 2) as u8]);
    }
    out.extend([((wide(last) * 3 + wide(last - 1) + 1) >> 2) as u8, row[last]]);
}

fn both(near: &[u8], far: &[u8], sums: &mut Vec<u16>, out: &mut Vec<u8>) {
    sums.clear();
    sums.extend(near.iter().zip(far).map(|(&near, &far)| u16::from(near) * 3 + u16::from(far)));
    let (first, last) = (sums[0], sums[sums.len() - 1]);
    let weighed = |here: u16, other: u16, bias: u16| ((here * 3 + other + bias) >> 4) as u8;
    out.resize(near.len() * 2, 0);
    let pairs = out.as_chunks_mut::<2>().0;
    for (to, three) in pairs[1..].iter_mut().zip(sums.windows(3)) {
        *to = [weighed(three[1], three[0], 8), weighed(three[1], three[2], 7)];
    }
    pairs[0] = [weighed(first, first, 8), weighed(first, sums[1], 7)];
    pairs[sums.len() - 1] = [weighed(last, sums[sums.len() - 2], 8), weighed(last, last, 7)];
}
