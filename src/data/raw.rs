//! Camera raw files: the JPEG that the camera made of the picture and stored beside the raw data.
//! Read this for why it is that, and how it is found.
//!
//! Nothing is developed. The JPEG has the camera's own rendering, which is what viewers show, mostly at full size. The
//! crates that develop raw data are under the LGPL, and each camera needs a profile of its own.
//!
//! Makers put the JPEG in different places: directories of a TIFF (DNG, NEF, CR2, ARW, PEF), their own notes (ORF), one
//! tag (RW2), a header (RAF) or a box (CR3). Everywhere it begins with the same marker, so all of the file is searched
//! for it, and the largest picture is taken whose headers are whole.

use image::metadata::Orientation;

use super::colour::ColourRule;
use super::encoded::{Decoder, Encoded};
use super::formats::Format;
use super::jpeg::Jpeg;
use super::tiff::ifd::{Tiff, tag};

/// Most places that are tried: a file has three or four JPEGs, and raw data have this marker hardly ever.
const MAX_PLACES: usize = 64;
/// Smallest longer side of a preview that is a picture and not a thumbnail.
const MIN_SIDE: u32 = 512;

/// Whether a TIFF has raw data of a sensor: one of its directories has the colour filters or linear data of one, or
/// calls itself DNG.
pub(super) fn is_raw(data: &[u8]) -> bool {
    const FILTERS: u64 = 32803;
    const LINEAR: u64 = 34892;
    let Some(file) = Tiff::open(data) else { return false };
    file.all().iter().any(|directory| {
        matches!(directory.value(tag::PHOTOMETRIC), Some(FILTERS | LINEAR))
            || directory.bytes(tag::DNG_VERSION).is_some()
    })
}

/// Finds the camera's JPEG.
///
/// # Errors
/// A phrase, if there is none of a useful size.
pub(super) fn open(data: &[u8], rule: ColourRule) -> Result<Encoded<'_>, String> {
    let area = |jpeg: &Jpeg<'_>| {
        let (width, height) = jpeg.dimensions();
        u64::from(width) * u64::from(height)
    };
    // the first of equal ones
    let largest = places(data).filter_map(|at| Jpeg::parse(&data[at..]).ok()).fold(
        None,
        |best: Option<Jpeg<'_>>, jpeg| match best {
            Some(best) if area(&best) >= area(&jpeg) => Some(best),
            _ => Some(jpeg),
        },
    );
    let develop = "a raw developer such as darktable-cli or RawTherapee writes JPEG";
    let jpeg = largest.ok_or_else(|| format!("is a camera raw file without a JPEG in it; {develop}"))?;
    let (width, height) = jpeg.dimensions();
    if width.max(height) < MIN_SIDE {
        return Err(format!("is a camera raw file with a JPEG of only {width} x {height} in it; {develop}"));
    }
    let orientation = match jpeg.orientation() {
        Orientation::NoTransforms => orientation(data).unwrap_or(Orientation::NoTransforms),
        own => own,
    };
    Ok(Encoded {
        format: Format::Raw,
        width,
        height,
        bytes: u64::from(width) * u64::from(height) * 3,
        working: 0,
        orientation,
        declared: jpeg.declared(),
        rule,
        decoder: Decoder::Jpeg(Box::new(jpeg)),
    })
}

/// Positions of the marker that begins a JPEG and of the next one.
fn places(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let found = at + data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
            at = found + 1;
            if data.get(found + 1..found + 3) == Some(&[0xd8, 0xff]) {
                return Some(found);
            }
        }
    })
    .take(MAX_PLACES)
}

/// The orientation in the first directory, or in the one that a CR3 has in a box.
fn orientation(data: &[u8]) -> Option<Orientation> {
    const BOXES: usize = 1 << 16;
    let name = b"CMT1";
    let header = match Tiff::open(data) {
        Some(file) => file,
        None => {
            let head = &data[..data.len().min(BOXES)];
            let at = head.windows(name.len()).position(|window| window == name)?;
            Tiff::open(&data[at + name.len()..])?
        }
    };
    Orientation::from_exif(u8::try_from(header.first()?.value(tag::ORIENTATION)?).ok()?)
}
