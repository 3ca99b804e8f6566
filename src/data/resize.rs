//! Resizing of pictures to the network's square input.
//! Read this for the filter, which matches Pillow's.

use std::fmt;
use std::str::FromStr;

use fast_image_resize as fir;
use serde::{Deserialize, Serialize};

/// Resize mode: the way a picture becomes square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The whole picture, squeezed, as in the reference implementation.
    #[default]
    Stretch,
    /// The largest square in the middle.
    Cover,
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stretch => "stretch",
            Self::Cover => "cover",
        })
    }
}

impl FromStr for Resize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "stretch" => Ok(Self::Stretch),
            "cover" => Ok(Self::Cover),
            _ => Err(format!("\"{}\" is not a way to resize; use stretch or cover", text.escape_default())),
        }
    }
}

/// Resizes RGB8 `[h, w, 3]` to `[size, size, 3]`: a triangle filter as wide as the reduction (bilinear with
/// antialias), rows first, with 8 bits between the passes, which is what `PIL.Image.resize((size, size),
/// BILINEAR)` computes.
///
/// # Panics
/// If `rgb` does not have `w * h * 3` bytes, or a side or `size` is 0: programming mistakes.
pub fn resize_rgb(rgb: &[u8], w: u32, h: u32, size: u32, how: Resize) -> Vec<u8> {
    assert_eq!(rgb.len(), w as usize * h as usize * 3, "resize_rgb: pixels of {w} x {h}");
    assert!(w > 0 && h > 0 && size > 0, "resize_rgb: {w} x {h} to {size}");
    let side = w.min(h);
    match how {
        // crop first: a filter that reached beyond the square would mix in the border
        Resize::Cover if w != h => {
            let square = cut_out(rgb, w, [(w - side) / 2, (h - side) / 2], [side, side]);
            stretch(&square, side, side, size)
        }
        _ => stretch(rgb, w, h, size),
    }
}

/// As [`resize_rgb`], for a picture whose sides `full` were divided by `reduction` and rounded up. Positions stay those
/// of the whole picture, although the last reduced pixels may cover less area than the others.
pub(super) fn resize_reduced(
    rgb: &[u8],
    full: (u32, u32),
    reduction: u32,
    size: u32,
    how: Resize,
) -> Vec<u8> {
    let (w, h) = full;
    let (left, top, width, height) = match how {
        Resize::Stretch => (0, 0, w, h),
        Resize::Cover => ((w - w.min(h)) / 2, (h - w.min(h)) / 2, w.min(h), w.min(h)),
    };
    let reduced = |side: u32| f64::from(side) / f64::from(reduction);
    // crop first, as above; a pixel that is partly inside is kept
    let (x, y) = (left / reduction, top / reduction);
    let (across, down) = ((left + width).div_ceil(reduction) - x, (top + height).div_ceil(reduction) - y);
    let cut = cut_out(rgb, w.div_ceil(reduction), [x, y], [across, down]);
    let corner = [reduced(left) - f64::from(x), reduced(top) - f64::from(y)];
    stretch_part(&cut, across, down, Some((corner, [reduced(width), reduced(height)])), size)
}

/// Crops a rectangle, given by its corner and its sides.
fn cut_out(rgb: &[u8], w: u32, [left, top]: [u32; 2], [across, down]: [u32; 2]) -> Vec<u8> {
    let columns = left as usize * 3..(left + across) as usize * 3;
    let mut cut = Vec::with_capacity(columns.len() * down as usize);
    for row in rgb.chunks_exact(w as usize * 3).skip(top as usize).take(down as usize) {
        cut.extend_from_slice(&row[columns.clone()]);
    }
    cut
}

fn stretch(rgb: &[u8], w: u32, h: u32, size: u32) -> Vec<u8> {
    if (w, h) == (size, size) {
        return rgb.to_vec();
    }
    stretch_part(rgb, w, h, None, size)
}

/// Resizes a part of a picture (its corner and its sides in pixels), or the whole picture.
fn stretch_part(rgb: &[u8], w: u32, h: u32, part: Option<([f64; 2], [f64; 2])>, size: u32) -> Vec<u8> {
    let pixels = filtered::<fir::pixels::U8x3>(rgb, (w, h), part, (size, size));
    let mut rgb = Vec::with_capacity(pixels.len() * 3);
    pixels.iter().for_each(|pixel| rgb.extend_from_slice(&pixel.0));
    rgb
}

/// Resizes grey `[h, w]` to `[high, wide]` as [`resize_rgb`] does.
pub(super) fn resize_grey(grey: &[u8], w: u32, h: u32, wide: u32, high: u32) -> Vec<u8> {
    filtered::<fir::pixels::U8>(grey, (w, h), None, (wide, high)).iter().map(|pixel| pixel.0).collect()
}

fn filtered<P: fir::PixelTrait>(
    bytes: &[u8],
    (w, h): (u32, u32),
    part: Option<([f64; 2], [f64; 2])>,
    (wide, high): (u32, u32),
) -> Vec<P> {
    // typed images compile the resampling of one pixel type instead of all thirteen
    let from = fir::images::TypedImageRef::<P>::from_buffer(w, h, bytes).expect("the length was checked");
    let mut to = fir::images::TypedImage::<P>::new(wide, high);
    let mut options =
        fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    if let Some(([left, top], [width, height])) = part {
        options = options.crop(left, top, width, height);
    }
    fir::Resizer::new().resize_typed(&from, &mut to, &options).expect("neither picture is empty");
    to.pixels().to_vec()
}
