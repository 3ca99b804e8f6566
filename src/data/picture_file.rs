//! Encoders for pictures and animations, chosen by the file extension.
//! Read this to add an output format.

use std::io::{Cursor, Write as _};
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    Delay, DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageError, ImageFormat, ImageResult,
    RgbImage,
};

use super::files::{folder_of, write_whole};
use super::mark::{Mark, digest, exif};
use crate::error::{Error, Result, printable};

/// JPEG quality, of 100.
const QUALITY: u8 = 95;

/// File format of a single picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// lossless
    Png,
    /// small, lossy; the loss is hardly visible
    Jpeg,
    /// lossless, smaller than PNG
    WebP,
}

impl PictureFormat {
    /// The format for the extension of `path`.
    ///
    /// # Errors
    /// [`Error::Usage`] with the list of supported extensions.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::WebP),
            _ => {
                let shown = printable(path);
                let example = printable(&path.with_extension("png"));
                Err(Error::Usage(format!(
                    "{shown}: pictures are written as .png, .jpg or .webp; name it {example}, for example"
                )))
            }
        }
    }

    /// Largest side in pixels that the format allows and this program reads.
    pub fn max_side(self) -> u32 {
        match self {
            Self::Png | Self::Jpeg => 32_768,
            Self::WebP => 16_383,
        }
    }

    /// Encodes `image` as a file that carries `mark`.
    ///
    /// # Errors
    /// [`Error::Io`] if the picture is too large for the format.
    pub fn encode(self, image: &RgbImage, mark: &Mark) -> Result<Vec<u8>> {
        let encode = || -> ImageResult<Vec<u8>> {
            let digest = if self == Self::Jpeg {
                // digest of the pixels after the lossy round trip
                let plain = self.bytes(image, None)?;
                digest(&image::load_from_memory_with_format(&plain, ImageFormat::Jpeg)?.into_rgb8())
            } else {
                digest(image)
            };
            self.bytes(image, Some(exif(&mark.text(Some(digest)))))
        };
        encode().map_err(|error| Error::io("encode", "a picture")(to_io_error(error)))
    }

    fn bytes(self, image: &RgbImage, about: Option<Vec<u8>>) -> ImageResult<Vec<u8>> {
        fn write<E: ImageEncoder>(
            mut encoder: E,
            image: &RgbImage,
            about: Option<Vec<u8>>,
        ) -> ImageResult<()> {
            if let Some(about) = about {
                encoder.set_exif_metadata(about).map_err(ImageError::Unsupported)?;
            }
            encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        }
        let mut file = Cursor::new(Vec::new());
        match self {
            Self::Png => write(PngEncoder::new(&mut file), image, about)?,
            Self::Jpeg => write(JpegEncoder::new_with_quality(&mut file, QUALITY), image, about)?,
            Self::WebP => write(WebPEncoder::new_lossless(&mut file), image, about)?,
        }
        Ok(file.into_inner())
    }
}

fn to_io_error(error: ImageError) -> std::io::Error {
    match error {
        ImageError::IoError(source) => source,
        other => std::io::Error::other(other),
    }
}

/// Encodes `image` as a PNG file.
///
/// # Errors
/// [`Error::Io`] if the picture is too large for the format.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    PictureFormat::Png
        .bytes(image, None)
        .map_err(|error| Error::io("encode", "a picture")(to_io_error(error)))
}

/// Encodes a GIF that loops over `frames`, each for `milliseconds`, and carries `mark`.
///
/// # Errors
/// [`Error::Io`] if the frames are too large for the format.
pub fn film(frames: &[RgbImage], milliseconds: u32, mark: &Mark) -> Result<Vec<u8>> {
    let encode = || -> ImageResult<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = GifEncoder::new(&mut file);
        encoder.set_repeat(Repeat::Infinite)?;
        for frame in frames {
            let rgba = DynamicImage::ImageRgb8(frame.clone()).into_rgba8();
            let delay = Delay::from_numer_denom_ms(milliseconds, 1);
            encoder.encode_frame(Frame::from_parts(rgba, 0, 0, delay))?;
        }
        drop(encoder);
        Ok(file)
    };
    let film = encode().map_err(|error| Error::io("encode", "a film")(to_io_error(error)))?;
    Ok(mark.sign_film(film))
}

/// Writes `image` as a PNG, completely or not at all: to a temporary file beside `path`, which is then renamed. Missing
/// folders are created.
///
/// # Errors
/// [`Error::Io`] naming `path`, if the folder cannot be created or written to, or the disk is full.
pub fn save_png(image: &RgbImage, path: &Path) -> Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let bytes = png(image)?;
    write_whole(path, |file| file.write_all(&bytes))
}
