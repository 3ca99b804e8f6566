//! Spreads a row of a component that is sampled thinly to the picture's width.
//!
//! Twice as many samples are interpolated, with weights of 3/4 and 1/4; other ratios repeat samples. Roundings and
//! exceptions are those of libjpeg-turbo's `jdsample.c`.

use super::frame::{Component, Frame};

/// How a component's samples become as many as the picture has pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsample {
    /// They are as many.
    None,
    /// Twice as many across, interpolated.
    Across,
    /// Twice as many down, interpolated.
    Down,
    /// Twice as many both ways, interpolated.
    Both,
    /// Each is repeated, across and down.
    Repeat([usize; 2]),
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

    /// Row `y` of the picture, in `out` where it has to be made. It may be longer than the picture is wide.
    pub(super) fn row<'a>(self, component: &'a Component, y: usize, out: &'a mut Vec<u8>) -> &'a [u8] {
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
            Self::Both => both(near, far, out),
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

fn both(near: &[u8], far: &[u8], out: &mut Vec<u8>) {
    let sum = |at: usize| u16::from(near[at]) * 3 + u16::from(far[at]);
    let last = near.len() - 1;
    out.resize(near.len() * 2, 0);
    let (mut left, mut here) = (sum(0), sum(0));
    for (at, to) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let right = sum((at + 1).min(last));
        *to = [((here * 3 + left + 8) >> 4) as u8, ((here * 3 + right + 7) >> 4) as u8];
        (left, here) = (here, right);
    }
}
