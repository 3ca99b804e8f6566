//! From a file to RGB8 pixels of the size that the network takes.

use std::fmt;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;

use fast_image_resize as fir;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use serde::{Deserialize, Serialize};

use super::jpeg;
use super::sniff::{READABLE, foreign_content, foreign_file, readable};

/// Raised whenever a file may give other pixels than before: what is cached is then decoded again.
pub(super) const VERSION: u32 = 1;
/// Pixels a side beyond which a header is not believed.
const MAX_SIDE: u32 = 32_768;
/// Bytes that a file, or the pixels of one picture, may take.
const MAX_BYTES: u64 = 1 << 30;

/// How a picture becomes square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The whole picture, squeezed: what the reference implementation does.
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

/// A picture at its own size.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Width in pixels, after turning.
    pub width: u32,
    /// Height in pixels, after turning.
    pub height: u32,
    /// `[height, width, 3]`, 8 bits a channel.
    pub rgb: Vec<u8>,
    /// What the content is: `jpg`, `png`, `webp` or `bmp`.
    pub format: &'static str,
}

/// Why a picture could not be had: a phrase without the path.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be read, which may pass: a permission, a network, a disk.
    Access(String),
    /// Its content is no picture, and stays so as long as the file does.
    Content(String),
}

impl Failure {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Access(reason) | Self::Content(reason) => reason,
        }
    }
}

/// Reads the picture at `path` as RGB8 `[size, size, 3]`.
///
/// # Errors
/// As [`decode`].
pub fn load(path: &Path, size: u32, resize: Resize) -> Result<Vec<u8>, String> {
    load_file(path, size, resize).map_err(Failure::reason)
}

/// As [`load`], with the kind of failure.
pub(super) fn load_file(path: &Path, size: u32, resize: Resize) -> Result<Vec<u8>, Failure> {
    let Decoded { width, height, rgb, .. } = decode_file(path)?;
    Ok(resize_rgb(&rgb, width, height, size, resize))
}

/// Reads the picture at `path` at its own size.
///
/// The content decides the format. The EXIF orientation is applied, grey becomes RGB, transparency is laid
/// over white, 16 bits are rounded to 8, CMYK is converted (without a colour profile; profiles are ignored
/// throughout), and of an animation the first frame is taken.
///
/// # Errors
/// A phrase without the path, when the file cannot be read, is no picture, is damaged, is cut off (a JPEG
/// without its end marker is refused rather than filled with grey), or claims more than 32,768 pixels a side
/// or 1 GiB. A panic inside a decoder is an error too: one bad file must not end a run.
pub fn decode(path: &Path) -> Result<Decoded, String> {
    decode_file(path).map_err(Failure::reason)
}

fn decode_file(path: &Path) -> Result<Decoded, Failure> {
    let unreadable = |source: std::io::Error| Failure::Access(format!("cannot be read: {source}"));
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Failure::Access("is not a file".into()));
    }
    if meta.len() > MAX_BYTES {
        let reason = format!("has {} MiB; at most {} are read", meta.len() >> 20, MAX_BYTES >> 20);
        return Err(Failure::Content(reason));
    }
    let data = std::fs::read(path).map_err(unreadable)?;
    catch_unwind(AssertUnwindSafe(|| decode_bytes(&data)))
        .unwrap_or_else(|_| Err("is damaged in a way that the decoder does not survive".into()))
        .map_err(Failure::Content)
}

fn decode_bytes(data: &[u8]) -> Result<Decoded, String> {
    if data.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    let Some(format) = readable(data) else {
        return Err(match foreign_content(data) {
            Some(name) => format!("is {}; {READABLE}", foreign_file(name)),
            None => "is not a picture".into(),
        });
    };
    if format == ImageFormat::Jpeg && !jpeg::is_complete(data) {
        return Err("is cut off: the end of the JPEG is missing".into());
    }
    let damaged = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => too_large(),
        other => format!("cannot be decoded: {}", other.to_string().escape_debug()),
    };
    let mut reader = ImageReader::with_format(Cursor::new(data), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err("has no pixels".into());
    }
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(too_large());
    }
    // an unreadable EXIF block is no reason to refuse the pixels
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    Ok(Decoded { width, height, rgb: over_white(picture), format: super::sniff::format_name(format) })
}

fn too_large() -> String {
    format!("is too large: at most {MAX_SIDE} pixels a side and {} MiB are read", MAX_BYTES >> 20)
}

/// RGB8 of any picture; transparency over white, before any resizing so that hidden colours do not bleed.
fn over_white(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    if picture.color().bytes_per_pixel() <= 4 {
        let rgba = picture.into_rgba8();
        let blend = |c: u8, a: u32| ((u32::from(c) * a + 255 * (255 - a) + 127) / 255) as u8;
        return rgba.pixels().flat_map(|p| [0, 1, 2].map(|c| blend(p[c], u32::from(p[3])))).collect();
    }
    let rgba = picture.into_rgba16();
    let blend = |c: u16, a: u64| {
        let full = u64::from(u16::MAX);
        let wide = u64::from(c) * a + full * (full - a);
        // 65535 * 257 is the divisor to 8 bits; half of it rounds
        ((wide + full * 257 / 2) / (full * 257)) as u8
    };
    rgba.pixels().flat_map(|p| [0, 1, 2].map(|c| blend(p[c], u64::from(p[3])))).collect()
}

/// Resizes RGB8 `[h, w, 3]` to `[size, size, 3]`: a triangle filter as wide as the reduction (bilinear with
/// antialias), rows first, with 8 bits between the passes, which is what `PIL.Image.resize((size, size),
/// BILINEAR)` computes.
///
/// # Panics
/// When `rgb` does not have `w * h * 3` bytes, or a side or `size` is 0: programming mistakes.
pub fn resize_rgb(rgb: &[u8], w: u32, h: u32, size: u32, how: Resize) -> Vec<u8> {
    assert_eq!(rgb.len(), w as usize * h as usize * 3, "resize_rgb: pixels of {w} x {h}");
    assert!(w > 0 && h > 0 && size > 0, "resize_rgb: {w} x {h} to {size}");
    let side = w.min(h);
    match how {
        // the square is cut out first: a filter that reached beyond it would let the border shine in
        Resize::Cover if w != h => stretch(&centre(rgb, w, h, side), side, side, size),
        _ => stretch(rgb, w, h, size),
    }
}

fn centre(rgb: &[u8], w: u32, h: u32, side: u32) -> Vec<u8> {
    let (left, top) = (((w - side) / 2) as usize, ((h - side) / 2) as usize);
    let (w, side) = (w as usize, side as usize);
    let rows = rgb.chunks_exact(w * 3).skip(top).take(side);
    rows.flat_map(|row| &row[left * 3..(left + side) * 3]).copied().collect()
}

fn stretch(rgb: &[u8], w: u32, h: u32, size: u32) -> Vec<u8> {
    if (w, h) == (size, size) {
        return rgb.to_vec();
    }
    filtered::<fir::pixels::U8x3>(rgb, (w, h), (size, size)).iter().flat_map(|pixel| pixel.0).collect()
}

/// Resizes grey `[h, w]` to `[high, wide]` as [`resize_rgb`] does.
pub(super) fn resize_grey(grey: &[u8], w: u32, h: u32, wide: u32, high: u32) -> Vec<u8> {
    filtered::<fir::pixels::U8>(grey, (w, h), (wide, high)).iter().map(|pixel| pixel.0).collect()
}

fn filtered<P: fir::PixelTrait>(bytes: &[u8], (w, h): (u32, u32), (wide, high): (u32, u32)) -> Vec<P> {
    // the typed calls compile the resampling of one pixel type instead of all thirteen
    let from = fir::images::TypedImageRef::<P>::from_buffer(w, h, bytes).expect("the length was checked");
    let mut to = fir::images::TypedImage::<P>::new(wide, high);
    let options =
        fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    fir::Resizer::new().resize_typed(&from, &mut to, &options).expect("neither picture is empty");
    to.pixels().to_vec()
}
