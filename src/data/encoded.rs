//! An opened picture file: its header is read, its pixels are not.
//! Read this for the limits on size and memory, and for JPEG reduction while decoding.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::budget::{Budget, Share};
use super::colour::{self, ColourRule, Declared};
use super::formats::{Format, readable_formats};
use super::jpeg::Jpeg;
use super::raster::{Channels, Raster};
use super::resize::{Resize, resize_reduced, resize_rgb};
use super::sniff::{foreign_content, foreign_file};
use super::{avif, heic, jxl, orientation, raw, tiff};

/// Largest side in pixels that a header may claim.
const MAX_SIDE: u32 = 32_768;
/// Limit in bytes for a file, and for the pixels of one picture.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Limit in bytes for the work of a decoder beside them: 80 to 130 megapixels of HEIC, AVIF and JPEG XL.
pub(super) const MAX_WORKING: u64 = 2 << 30;
/// Tenths of the requested size that a picture keeps at least when it is reduced while it is decoded; resampling does
/// the rest. At 14 the pixels differ from those of resampling the whole picture by at most about 1 of 255 in the mean.
const KEPT_TENTHS: u32 = 14;
/// Largest bend of a conversion, see [`super::colour::Known`], with which a picture is reduced before its colours are converted.
const MAX_BEND: u8 = 6;
/// Tenths of the requested size that a picture keeps at least when its pixels are averaged before their colours are
/// converted, which is then all that averaging saves.
const KEPT_AVERAGED: u32 = 40;
/// Budgets for the files in memory and for the pixels being decoded. With large pictures they allow fewer at once than
/// there are cores.
pub(super) static FILES: Budget = Budget::new(MAX_BYTES / 2);
static PIXELS: Budget = Budget::new(MAX_BYTES);

/// A decoded picture, before it is oriented and resized.
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgb: Vec<u8>,
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

/// Decoder of a picture whose header has been read.
pub(super) enum Decoder<'a> {
    /// Our own, which can reduce while it decodes.
    Jpeg(Box<Jpeg<'a>>),
    /// Any other.
    Whole(Box<dyn FnOnce() -> Result<Raster, String> + 'a>),
}

/// A file whose header has been read.
pub(super) struct Encoded<'a> {
    pub(super) format: Format,
    /// Width in pixels, before turning.
    pub(super) width: u32,
    /// Height in pixels, before turning.
    pub(super) height: u32,
    /// Bytes of the decoded samples.
    pub(super) bytes: u64,
    /// Further bytes that a [`Decoder::Whole`] takes, beside its RGB8 result.
    pub(super) working: u64,
    pub(super) orientation: Orientation,
    pub(super) declared: Declared,
    pub(super) rule: ColourRule,
    pub(super) decoder: Decoder<'a>,
}

impl<'a> Encoded<'a> {
    /// Reads the headers of a file with this extension.
    pub(super) fn open(data: &'a [u8], extension: &str, rule: ColourRule) -> Result<Self, String> {
        if data.is_empty() {
            return Err("is empty (0 bytes)".into());
        }
        let Some(format) = Format::of(data, extension) else {
            return Err(match foreign_content(data) {
                Some(name) => format!("is {}; {} can be read", foreign_file(name), readable_formats()),
                None => "is not a picture".into(),
            });
        };
        let file = match format {
            Format::Jpeg => Self::of_jpeg(data, rule)?,
            Format::Tiff if !raw::is_raw(data) => tiff::open(data, rule)?,
            Format::Tiff | Format::Raw => raw::open(data, rule)?,
            Format::Heic => heic::open(data, rule)?,
            Format::Avif => avif::open(data, rule)?,
            Format::Jxl => jxl::open(data, rule)?,
            Format::Image(kind) => Self::of_image(data, kind, rule)?,
        };
        if file.width == 0 || file.height == 0 {
            return Err("has no pixels".into());
        }
        let too_wide = file.width.max(file.height) > MAX_SIDE;
        if too_wide || file.bytes > MAX_BYTES || file.working > MAX_WORKING {
            return Err(too_large());
        }
        Ok(file)
    }

    fn of_jpeg(data: &'a [u8], rule: ColourRule) -> Result<Self, String> {
        let jpeg = Jpeg::parse(data)?;
        let (width, height) = jpeg.dimensions();
        Ok(Self {
            format: Format::Jpeg,
            width,
            height,
            bytes: u64::from(width) * u64::from(height) * 3,
            working: 0,
            orientation: jpeg.orientation(),
            declared: jpeg.declared(),
            rule,
            decoder: Decoder::Jpeg(Box::new(jpeg)),
        })
    }

    /// A format that the `image` crate decodes.
    fn of_image(data: &'a [u8], kind: ImageFormat, rule: ColourRule) -> Result<Self, String> {
        let mut reader = ImageReader::with_format(Cursor::new(data), kind);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        let declared = match kind {
            ImageFormat::Gif => decoder.icc_profile().ok().flatten().map_or(Declared::Nothing, Declared::Icc),
            _ => colour::of_file(kind, data),
        };
        let bytes = decoder.total_bytes();
        let decode = move || Ok(Raster::from(DynamicImage::from_decoder(decoder).map_err(damaged)?));
        Ok(Self {
            format: Format::Image(kind),
            width,
            height,
            bytes,
            working: 0,
            orientation: orientation::of(kind, data),
            declared,
            rule,
            decoder: Decoder::Whole(Box::new(decode)),
        })
    }

    /// The picture at its own size, oriented.
    pub(super) fn whole(self) -> Result<Picture, String> {
        Ok(self.decode(|_, _| 1)?.0.turned())
    }

    /// RGB8 `[size, size, 3]` of the picture, oriented.
    pub(super) fn square(self, size: u32, how: Resize) -> Result<Vec<u8>, String> {
        let full = (self.width, self.height);
        let largest = |kept: u32| {
            let fits = |by: &u32| 10 * (full.0.min(full.1) / by) >= size.saturating_mul(kept);
            [8, 4, 2].into_iter().find(fits).unwrap_or(1)
        };
        // averages of samples are those of colours only if the curves are alike
        let (picture, reduction) =
            self.decode(|bend, kept| if bend > MAX_BEND { 1 } else { largest(kept) })?;
        if reduction == 1 {
            let picture = picture.turned();
            return Ok(resize_rgb(&picture.rgb, picture.width, picture.height, size, how));
        }
        let rgb = resize_reduced(&picture.rgb, full, reduction, size, how);
        Ok(Picture { width: size, height: size, rgb, ..picture }.turned().rgb)
    }

    /// Decodes the picture without orienting it; waits until there is room for it. Its sides may be divided by
    /// `reduction` of the bend of its conversion; the second value is the divisor.
    fn decode(self, reduction: impl FnOnce(u8, u32) -> u32) -> Result<(Picture, u32), String> {
        let Self { width, height, bytes, working, orientation, declared, rule, .. } = self;
        let conversion = |channels| match rule {
            ColourRule::Srgb => declared.conversion(channels),
            ColourRule::AsStored => Ok(None),
        };
        match self.decoder {
            Decoder::Jpeg(jpeg) => {
                let conversion = conversion(jpeg.channels())?;
                let by = reduction(conversion.as_ref().map_or(0, |known| known.bend), KEPT_TENTHS);
                let room = PIXELS.take(jpeg.bytes(by));
                let inks = conversion.is_some() && jpeg.channels() == Channels::Cmyk;
                let (width, height, samples) = jpeg.decode(by, inks)?;
                let rgb = match conversion {
                    Some(known) => known.conversion.rgb(samples),
                    None => samples,
                };
                Ok((Picture { width, height, rgb, orientation, faint: false, _room: room }, by))
            }
            Decoder::Whole(decode) => {
                // the decoder's output, and its RGB8 copy
                let room = PIXELS.take(bytes + working + u64::from(width) * u64::from(height) * 3);
                let mut raster = decode()?;
                let faint = raster.is_faint();
                let conversion = conversion(raster.channels)?;
                // fewer pixels to convert; without a conversion resizing does all of it
                let by = conversion.as_ref().map_or(1, |known| reduction(known.bend, KEPT_AVERAGED));
                let by = if raster.average(by) { by } else { 1 };
                let (width, height) = (raster.width, raster.height);
                let rgb = raster.into_rgb(conversion.as_ref().map(|known| &*known.conversion));
                Ok((Picture { width, height, rgb, orientation, faint, _room: room }, by))
            }
        }
    }
}

fn damaged(error: image::ImageError) -> String {
    match error {
        image::ImageError::Limits(_) => too_large(),
        other => {
            let text = other.to_string();
            // the PNG decoder prints a chunk by its fields in Rust
            let text = text.split(" while decoding ChunkType").next().unwrap_or(&text);
            format!("cannot be decoded: {}", text.escape_debug())
        }
    }
}

pub(super) fn too_large() -> String {
    format!("is too large: at most {MAX_SIDE} pixels a side and {} MiB are read", MAX_BYTES >> 20)
}
