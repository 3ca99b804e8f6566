//! Sheets of pictures, and writing them whole.

use std::fs::File;
use std::io::{BufWriter, Cursor};
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat, Rgb, RgbImage};

use crate::error::{Error, Result};

/// The usual white gap between pictures, in pixels.
pub const GAP: u32 = 2;

/// Lays `pictures` (each RGB8 `[size, size, 3]`) out row by row, `columns` to a row, with `gap` white pixels
/// around each. Fewer pictures than columns make a narrower sheet; the rest of a last row stays white.
///
/// # Panics
/// When a picture does not have `size * size * 3` bytes, or there are no pictures or columns.
pub fn grid(pictures: &[Vec<u8>], size: u32, columns: u32, gap: u32) -> RgbImage {
    assert!(!pictures.is_empty() && columns > 0, "grid: {} pictures in {columns} columns", pictures.len());
    let count = pictures.len() as u32;
    let columns = columns.min(count);
    let rows = count.div_ceil(columns);
    let step = size + gap;
    let mut sheet = RgbImage::from_pixel(columns * step + gap, rows * step + gap, Rgb([255; 3]));
    for (index, picture) in pictures.iter().enumerate() {
        assert_eq!(
            picture.len(),
            (size * size * 3) as usize,
            "grid: pixels of picture {index} at {size} x {size}"
        );
        let (left, top) = (gap + index as u32 % columns * step, gap + index as u32 / columns * step);
        for (y, row) in picture.chunks_exact(size as usize * 3).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                sheet.put_pixel(left + x as u32, top + y as u32, Rgb([pixel[0], pixel[1], pixel[2]]));
            }
        }
    }
    sheet
}

/// The bytes of `image` as a PNG file.
///
/// # Errors
/// [`Error::Io`], where the picture is too large for the format.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let failed = |error| Error::io("write", "a picture")(std::io::Error::other(error));
    image.write_to(&mut file, ImageFormat::Png).map_err(failed)?;
    Ok(file.into_inner())
}

/// Writes `image` as a PNG, whole or not at all: to a temporary file beside `path`, which is then renamed.
/// Folders on the way are made.
///
/// # Errors
/// [`Error::Io`] naming `path`, when the folder cannot be made or written to, or the disk is full.
pub fn save_png(image: &RgbImage, path: &Path) -> Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    write_whole(path, |buffer| {
        image.write_to(buffer, ImageFormat::Png).map_err(|error| match error {
            image::ImageError::IoError(source) => source,
            other => std::io::Error::other(other),
        })
    })
}

/// Writes `frames` as a GIF that plays for ever, each frame for `milliseconds`; whole or not at all.
///
/// # Errors
/// [`Error::Io`] naming `path`, when the folder cannot be made or written to, or the disk is full.
pub fn save_gif(frames: &[RgbImage], milliseconds: u32, path: &Path) -> Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let failed = |error| match error {
        image::ImageError::IoError(source) => source,
        other => std::io::Error::other(other),
    };
    write_whole(path, |buffer| {
        let mut encoder = GifEncoder::new(buffer);
        encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        for frame in frames {
            let rgba = DynamicImage::ImageRgb8(frame.clone()).into_rgba8();
            let delay = Delay::from_numer_denom_ms(milliseconds, 1);
            encoder.encode_frame(Frame::from_parts(rgba, 0, 0, delay)).map_err(failed)?;
        }
        Ok(())
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `path` whole or not at all; its folder must exist.
///
/// # Errors
/// [`Error::Io`] if it cannot be written; what was there stays.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let write = || {
        // made as an ordinary file: a temporary one would be readable by its owner alone
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".part");
        let (file, at) = builder.make_in(folder_of(path), |at| File::create_new(at))?.into_parts();
        let mut buffer = BufWriter::new(file);
        fill(&mut buffer)?;
        buffer.into_inner()?.sync_all()?;
        at.persist(path)?;
        Ok(())
    };
    write().map_err(Error::io("write", path))
}
