//! An opened picture file: its header is read, its pixels are not.
//! Read this for the limits on size and memory, and for JPEG reduction while decoding.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::budget::{Budget, Share};
use super::jpeg::Jpeg;
use super::orientation;
use super::resize::{Resize, resize_reduced, resize_rgb};
use super::sniff::{READABLE, foreign_content, foreign_file, format_name, readable};

/// Largest side in pixels that a header may claim.
const MAX_SIDE: u32 = 32_768;
/// Limit in bytes for a file, and for the pixels of one picture.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Tenths of the requested size that a picture keeps at least when it is reduced while it is decoded; resampling does
/// the rest. At 14 the pixels differ from those of resampling the whole picture by at most about 1 of 255 in the mean.
const KEPT_TENTHS: u32 = 14;
/// Budgets for the files in memory and for the pixels being decoded. With large pictures they allow fewer at once than
/// there are cores.
pub(super) static FILES: Budget = Budget::new(MAX_BYTES / 2);
static PIXELS: Budget = Budget::new(MAX_BYTES);

/// A decoded picture, before it is oriented and resized.
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgb: Vec<u8>,
    /// Sides at full size, before any reduction.
    full: (u32, u32),
    orientation: Orientation,
    pub(super) faint: bool,
    /// Share of the budget for the pixels, held until they are resized.
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
pub(super) enum Encoded<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Other { decoder: Box<dyn ImageDecoder + 'a>, format: ImageFormat, orientation: Orientation },
}

impl<'a> Encoded<'a> {
    pub(super) fn open(data: &'a [u8]) -> Result<Self, String> {
        if data.is_empty() {
            return Err("is empty (0 bytes)".into());
        }
        let Some(format) = readable(data) else {
            return Err(match foreign_content(data) {
                Some(name) => format!("is {}; {READABLE}", foreign_file(name)),
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

    pub(super) fn format(&self) -> &'static str {
        format_name(match self {
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

    /// The picture at its own size, oriented.
    pub(super) fn whole(self) -> Result<Picture, String> {
        Ok(self.decode(1)?.turned())
    }

    /// RGB8 `[size, size, 3]` of the picture, oriented.
    pub(super) fn square(self, size: u32, how: Resize) -> Result<Vec<u8>, String> {
        let reduction = self.reduction(size);
        let picture = self.decode(reduction)?;
        if reduction == 1 {
            let picture = picture.turned();
            return Ok(resize_rgb(&picture.rgb, picture.width, picture.height, size, how));
        }
        let rgb = resize_reduced(&picture.rgb, picture.full, reduction, size, how);
        Ok(Picture { width: size, height: size, rgb, ..picture }.turned().rgb)
    }

    /// Divisor of the sides while decoding a picture that is to be resized to `size`. Only a JPEG has one above 1, and
    /// its sides stay larger than `size`, see [`KEPT_TENTHS`].
    fn reduction(&self, size: u32) -> u32 {
        let (width, height) = self.dimensions();
        let fits = |reduction: &u32| 10 * (width.min(height) / reduction) >= size.saturating_mul(KEPT_TENTHS);
        match self {
            Self::Jpeg(_) => [8, 4, 2].into_iter().find(fits).unwrap_or(1),
            Self::Other { .. } => 1,
        }
    }

    /// Decodes the picture without orienting it, its sides divided by `reduction`; waits until there is room for it.
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
                // the decoder's output, and its RGB8 copy
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

/// Whether the picture is faint, see [`Decoded::faint`]. Alpha does not count as brightness, and an entirely black
/// picture is not faint: it may be intended.
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

/// RGB8 of any picture. Transparency is blended over white before resizing, so that hidden colours do not bleed.
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
        // 65535 * 257 is the divisor to 8 bits; adding half of it rounds
        ((wide + full * 257 / 2) / (full * 257)) as u8
    };
    rgba.pixels().flat_map(|p| [0, 1, 2].map(|c| blend(p[c], u64::from(p[3])))).collect()
}
