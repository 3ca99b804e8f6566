//! From a file to RGB8 pixels of the size that the network takes.

use std::cell::Cell;
use std::fmt;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;

use fast_image_resize as fir;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use serde::{Deserialize, Serialize};

use super::budget::{Budget, Share};
use super::jpeg::Jpeg;
use super::orientation;
use super::sniff::{READABLE, foreign_content, readable};

/// Raised whenever a file may give other pixels than before: what is cached is then decoded again.
pub(super) const VERSION: u32 = 2;
/// Pixels a side beyond which a header is not believed.
const MAX_SIDE: u32 = 32_768;
/// Bytes that a file, or the pixels of one picture, may take.
const MAX_BYTES: u64 = 1 << 30;
/// Tenths by which a picture stays larger than what is asked for, if it is reduced while it is decoded. Resampling takes
/// the rest. Then pixels differ from those of resampling the whole picture by less than 1 of 255 in the mean: by 0.6 for
/// halves, 1.0 for eighths. At 10 it would be 1.7.
const KEPT_TENTHS: u32 = 14;
/// Files that are in memory together, and pixels that are being decoded together: not as many as there are cores,
/// when they are large.
static FILES: Budget = Budget::new(MAX_BYTES / 2);
static PIXELS: Budget = Budget::new(MAX_BYTES);

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
    /// Whether its samples have 16 bits and stay below an eighth of their range, as those of 12-bit cameras do that
    /// were not scaled: such a picture is nearly black.
    pub faint: bool,
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
    read(path, |data| {
        let file = Encoded::open(data)?;
        let reduction = file.reduction(size);
        let picture = file.decode(reduction)?;
        if reduction == 1 {
            let picture = picture.turned();
            return Ok(resize_rgb(&picture.rgb, picture.width, picture.height, size, resize));
        }
        let square = resize_reduced(&picture, reduction, size, resize);
        Ok(Picture { width: size, height: size, rgb: square, ..picture }.turned().rgb)
    })
}

/// Reads the picture at `path` at its own size.
///
/// The content decides the format. The EXIF orientation is applied, grey becomes RGB, transparency is laid
/// over white, 16 bits are rounded to 8, CMYK is converted (without a colour profile; profiles are ignored
/// throughout), and of an animation the first frame is taken. The pixels of a JPEG are those of libjpeg-turbo.
///
/// # Errors
/// A phrase without the path, when the file cannot be read, is no picture, is damaged, is cut off (a JPEG
/// is whole if all its blocks are there, with the end marker or without), is a JPEG that is arithmetic-coded,
/// lossless, hierarchical or of 12 bits, or claims more than 32,768 pixels a side or 1 GiB. A panic inside a
/// decoder is an error too, and prints nothing: one bad file must not end a run.
pub fn decode(path: &Path) -> Result<Decoded, String> {
    let decoded = read(path, |data| {
        let file = Encoded::open(data)?;
        let format = file.format();
        let Picture { width, height, rgb, faint, .. } = file.decode(1)?.turned();
        Ok(Decoded { width, height, rgb, format, faint })
    });
    decoded.map_err(Failure::reason)
}

/// Reads the file at `path` and makes of its bytes what `decode` does.
fn read<T>(path: &Path, decode: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, Failure> {
    let unreadable = |source: std::io::Error| Failure::Access(format!("cannot be read: {source}"));
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Failure::Access("is not a file".into()));
    }
    if meta.len() > MAX_BYTES {
        let reason = format!("has {} MiB; at most {} are read", meta.len() >> 20, MAX_BYTES >> 20);
        return Err(Failure::Content(reason));
    }
    // always in this order, files before pixels: then no two can wait for each other
    let _share = FILES.take(meta.len());
    let data = std::fs::read(path).map_err(unreadable)?;
    guarded(|| decode(&data))
        .unwrap_or_else(|| Err("is damaged in a way that the decoder does not survive".into()))
        .map_err(Failure::Content)
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder, where a panic is caught and told as the reason why a file is skipped. A
/// panic hook that prints should keep quiet then.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// What `decode` gives; `None` if it panics.
fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    let before = DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode)).ok();
    DECODING.set(before);
    decoded
}

/// A picture as its file has it.
struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    /// Sides at full size.
    full: (u32, u32),
    orientation: Orientation,
    faint: bool,
    /// Room for the pixels, until they are resized.
    _room: Share<'static>,
}

impl Picture {
    fn turned(self) -> Self {
        let Self { width, height, rgb, orientation, .. } = self;
        if orientation == Orientation::NoTransforms {
            return Self { rgb, ..self };
        }
        let picture = RgbImage::from_raw(width, height, rgb).expect("three bytes for each pixel");
        let mut picture = DynamicImage::from(picture);
        picture.apply_orientation(orientation);
        let (width, height) = (picture.width(), picture.height());
        let orientation = Orientation::NoTransforms;
        Self { width, height, rgb: picture.into_rgb8().into_raw(), orientation, ..self }
    }
}

/// A file whose header has been read.
enum Encoded<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Other { decoder: Box<dyn ImageDecoder + 'a>, format: ImageFormat, orientation: Orientation },
}

impl<'a> Encoded<'a> {
    fn open(data: &'a [u8]) -> Result<Self, String> {
        if data.is_empty() {
            return Err("is empty (0 bytes)".into());
        }
        let Some(format) = readable(data) else {
            return Err(match foreign_content(data) {
                Some(name) => format!("is a {name} file; {READABLE}"),
                None => "is not a picture".into(),
            });
        };
        let (file, bytes) = if format == ImageFormat::Jpeg {
            let jpeg = Jpeg::parse(data)?;
            let (width, height) = jpeg.dimensions();
            (Self::Jpeg(Box::new(jpeg)), u64::from(width) * u64::from(height) * 3)
        } else {
            let mut reader = ImageReader::with_format(Cursor::new(data), format);
            let mut limits = Limits::default();
            limits.max_image_width = Some(MAX_SIDE);
            limits.max_image_height = Some(MAX_SIDE);
            limits.max_alloc = Some(MAX_BYTES);
            reader.limits(limits);
            let decoder = reader.into_decoder().map_err(damaged)?;
            let bytes = decoder.total_bytes();
            let orientation = orientation::of(format, data);
            (Self::Other { decoder: Box::new(decoder), format, orientation }, bytes)
        };
        match file.dimensions() {
            (0, _) | (_, 0) => Err("has no pixels".into()),
            (width, height) if width.max(height) > MAX_SIDE || bytes > MAX_BYTES => Err(too_large()),
            _ => Ok(file),
        }
    }

    fn format(&self) -> &'static str {
        super::sniff::format_name(match self {
            Self::Jpeg(_) => ImageFormat::Jpeg,
            Self::Other { format, .. } => *format,
        })
    }

    fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Jpeg(jpeg) => jpeg.dimensions(),
            Self::Other { decoder, .. } => decoder.dimensions(),
        }
    }

    /// By how much the sides may be divided while decoding a picture that is resized to `size`: those of a JPEG, as long
    /// as they stay larger, see [`KEPT_TENTHS`].
    fn reduction(&self, size: u32) -> u32 {
        let (width, height) = self.dimensions();
        let fits = |reduction: &u32| 10 * (width.min(height) / reduction) >= size.saturating_mul(KEPT_TENTHS);
        match self {
            Self::Jpeg(_) => [8, 4, 2].into_iter().find(fits).unwrap_or(1),
            Self::Other { .. } => 1,
        }
    }

    /// The picture, not turned, its sides divided by `reduction`; waits until there is room for it.
    fn decode(self, reduction: u32) -> Result<Picture, String> {
        let full = self.dimensions();
        match self {
            Self::Jpeg(jpeg) => {
                let orientation = jpeg.orientation();
                let room = PIXELS.take(jpeg.bytes(reduction));
                let (width, height, rgb) = jpeg.decode(reduction)?;
                Ok(Picture { width, height, rgb, full, orientation, faint: false, _room: room })
            }
            Self::Other { decoder, orientation, .. } => {
                let (width, height) = full;
                // what the decoder gives, and RGB8 of it
                let room = PIXELS.take(decoder.total_bytes() + u64::from(width) * u64::from(height) * 3);
                let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
                let faint = is_faint(&picture);
                let rgb = over_white(picture);
                Ok(Picture { width, height, rgb, full, orientation, faint, _room: room })
            }
        }
    }
}

fn damaged(error: image::ImageError) -> String {
    match error {
        image::ImageError::Limits(_) => too_large(),
        other => format!("cannot be decoded: {}", other.to_string().escape_debug()),
    }
}

fn too_large() -> String {
    format!("is too large: at most {MAX_SIDE} pixels a side and {} MiB are read", MAX_BYTES >> 20)
}

/// See [`Decoded::faint`]. Transparency is no brightness, and a picture that is black altogether may be meant so.
fn is_faint(picture: &DynamicImage) -> bool {
    let brightest = |samples: &[u16], of: usize, channels: usize| {
        samples.chunks_exact(of).flat_map(|pixel| &pixel[..channels]).copied().max().unwrap_or(0)
    };
    let brightest = match picture {
        DynamicImage::ImageLuma16(picture) => brightest(picture, 1, 1),
        DynamicImage::ImageLumaA16(picture) => brightest(picture, 2, 1),
        DynamicImage::ImageRgb16(picture) => brightest(picture, 3, 3),
        DynamicImage::ImageRgba16(picture) => brightest(picture, 4, 3),
        _ => return false,
    };
    (1..u16::MAX / 8 + 1).contains(&brightest)
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
        Resize::Cover if w != h => {
            let square = cut_out(rgb, w, [(w - side) / 2, (h - side) / 2], [side, side]);
            stretch(&square, side, side, size)
        }
        _ => stretch(rgb, w, h, size),
    }
}

/// As [`resize_rgb`], of a picture whose sides were divided by `reduction`: what lies where in the whole picture lies
/// there in the square too, though the last of the reduced pixels may stand for less than the others.
fn resize_reduced(picture: &Picture, reduction: u32, size: u32, how: Resize) -> Vec<u8> {
    let (w, h) = picture.full;
    let (left, top, width, height) = match how {
        Resize::Stretch => (0, 0, w, h),
        Resize::Cover => ((w - w.min(h)) / 2, (h - w.min(h)) / 2, w.min(h), w.min(h)),
    };
    let reduced = |side: u32| f64::from(side) / f64::from(reduction);
    // cut out first, as above; a pixel that lies half within stays
    let (x, y) = (left / reduction, top / reduction);
    let (across, down) = ((left + width).div_ceil(reduction) - x, (top + height).div_ceil(reduction) - y);
    let cut = cut_out(&picture.rgb, picture.width, [x, y], [across, down]);
    let corner = [reduced(left) - f64::from(x), reduced(top) - f64::from(y)];
    stretch_part(&cut, across, down, Some((corner, [reduced(width), reduced(height)])), size)
}

/// The pixels of a rectangle: its corner, and its sides.
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

/// Resizes a part of a picture (its corner and its sides in pixels), or all of it.
fn stretch_part(rgb: &[u8], w: u32, h: u32, part: Option<([f64; 2], [f64; 2])>, size: u32) -> Vec<u8> {
    // the typed calls compile the resampling of one pixel type instead of all thirteen
    let from = fir::images::TypedImageRef::<fir::pixels::U8x3>::from_buffer(w, h, rgb)
        .expect("the length was checked");
    let mut to = fir::images::TypedImage::<fir::pixels::U8x3>::new(size, size);
    let mut options =
        fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    if let Some(([left, top], [width, height])) = part {
        options = options.crop(left, top, width, height);
    }
    fir::Resizer::new().resize_typed(&from, &mut to, &options).expect("neither picture is empty");
    let mut rgb = Vec::with_capacity(to.pixels().len() * 3);
    to.pixels().iter().for_each(|pixel| rgb.extend_from_slice(&pixel.0));
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_decoder_is_an_error_and_is_told_to_be_one() {
        let hook = std::panic::take_hook();
        let (told, hears) = std::sync::mpsc::channel();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref() == Some(&"on purpose") {
                told.send(is_decoding()).expect("the test hears");
            }
        }));
        let decoded = guarded(|| -> u8 { panic!("on purpose") });
        std::panic::set_hook(hook);
        assert_eq!(decoded, None);
        assert_eq!(hears.iter().collect::<Vec<_>>(), [true], "what a hook saw");
        assert!(!is_decoding());
        assert_eq!(guarded(|| 7), Some(7));
    }
}
