//! TIFF files: every chunk by the `tiff` crate, everything that chunks mean here.
//! Read this for which layouts are read, and why the crate is told that all of them are grey.
//!
//! The crate refuses palettes, RGB with fewer than 8 bits and more, inverts some pictures, and gives only the first
//! plane of planar ones. So it gets a copy of the file that says "grey" ([`plain_copy`]), and then hands out the samples
//! of all kinds as they are stored. Strips, tiles, planes, depths and colours are put together here.

pub(super) mod ifd;
mod samples;

use std::borrow::Cow;
use std::io::Cursor;

use ::tiff::decoder::{ChunkType, Decoder, Limits};
use image::metadata::Orientation;

use self::ifd::{Directory, Tiff, tag};
use self::samples::Layout;
use super::colour::{ColourRule, Declared, MAX_PROFILE};
use super::encoded::{self, Encoded, MAX_BYTES};
use super::formats::Format;
use super::raster::Raster;

/// Compression by JPEG, whose bits have one order only.
const JPEG: u64 = 7;

/// Reads the first picture of a TIFF up to its pixels.
///
/// # Errors
/// A phrase, if its layout is not read.
pub(super) fn open(data: &[u8], rule: ColourRule) -> Result<Encoded<'_>, String> {
    let cut_off = || "is damaged: the TIFF has no directory".to_owned();
    let directory = Tiff::open(data).and_then(|file| file.first()).ok_or_else(cut_off)?;
    let layout = Layout::of(&directory)?;
    let orientation = directory.value(tag::ORIENTATION).and_then(|value| u8::try_from(value).ok());
    let icc = directory.bytes(tag::ICC).map(|profile| &profile[..profile.len().min(MAX_PROFILE)]);
    Ok(Encoded {
        format: Format::Tiff,
        width: layout.width,
        height: layout.height,
        bytes: layout.bytes(),
        // one chunk and its samples, and a copy of the file if one is needed
        working: layout.bytes() + data.len() as u64,
        orientation: orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms),
        declared: icc.map_or(Declared::Nothing, |profile| Declared::Icc(profile.into())),
        rule,
        decoder: encoded::Decoder::Whole(Box::new(move || decode(data, &layout))),
    })
}

fn decode(data: &[u8], layout: &Layout) -> Result<Raster, String> {
    let directory = Tiff::open(data).and_then(|file| file.first()).ok_or("is damaged")?;
    let copy = plain_copy(data, &directory);
    let damaged =
        |error: ::tiff::TiffError| format!("cannot be decoded: {}", error.to_string().escape_debug());
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES as usize;
    limits.intermediate_buffer_size = MAX_BYTES as usize;
    limits.ifd_value_size = 64 << 20;
    let mut decoder = Decoder::new(Cursor::new(&copy[..])).map_err(damaged)?.with_limits(limits);
    let chunks = match decoder.get_chunk_type() {
        ChunkType::Strip => decoder.strip_count(),
        ChunkType::Tile => decoder.tile_count(),
    }
    .map_err(damaged)?;
    let (wide, high) = decoder.chunk_dimensions();
    let across = layout.width.div_ceil(wide.max(1));
    let down = layout.height.div_ceil(high.max(1));
    let planes = layout.planes() as u32;
    if chunks != across.saturating_mul(down).saturating_mul(planes) {
        return Err("is damaged: the parts of the TIFF do not cover it".into());
    }
    let mut canvas = layout.canvas();
    for chunk in 0..chunks {
        let part = decoder.image_chunk_buffer_layout(chunk).map_err(damaged)?;
        if part.len as u64 > MAX_BYTES {
            return Err(encoded::too_large());
        }
        let mut bytes = vec![0; part.len];
        decoder.read_chunk_bytes(chunk, &mut bytes).map_err(damaged)?;
        let (used, _) = decoder.chunk_data_dimensions(chunk);
        let (plane, place) = (chunk / (across * down), chunk % (across * down));
        let corner = (place % across * wide, place / across * high);
        let stride = part.row_stride.map_or(bytes.len(), usize::from);
        canvas.put(&bytes, stride, used as usize, corner, plane as usize)?;
    }
    canvas.finish(&directory)
}

/// The file with two of its tags rewritten: the pixels are grey, so that the crate leaves samples as they are, and the
/// bits of a byte begin with the highest, for which the bytes of all chunks are mirrored if they do not.
fn plain_copy<'a>(data: &'a [u8], directory: &Directory<'_>) -> Cow<'a, [u8]> {
    const GREY: u16 = 1;
    const LOWEST_FIRST: u64 = 2;
    let mirrored = directory.value(tag::FILL_ORDER) == Some(LOWEST_FIRST)
        && directory.value(tag::COMPRESSION) != Some(JPEG);
    let mut copy = Cow::Borrowed(data);
    let mut patches = Vec::new();
    if directory.value(tag::PHOTOMETRIC) != Some(GREY.into()) {
        patches.extend(directory.patch(tag::PHOTOMETRIC, GREY));
    }
    if mirrored {
        patches.extend(directory.patch(tag::FILL_ORDER, 1));
    }
    for (at, bytes) in patches {
        if let Some(place) = copy.to_mut().get_mut(at..at + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
    }
    if mirrored {
        let whole = copy.to_mut();
        // chunks that overlap are not mirrored twice
        let mut done = 0;
        let mut ranges: Vec<(u64, u64)> =
            [(tag::STRIP_OFFSETS, tag::STRIP_BYTES), (tag::TILE_OFFSETS, tag::TILE_BYTES)]
                .into_iter()
                .flat_map(|(at, length)| directory.values(at).into_iter().zip(directory.values(length)))
                .collect();
        ranges.sort_unstable();
        for (at, length) in ranges {
            let end = at.saturating_add(length).min(whole.len() as u64) as usize;
            let begin = (at as usize).max(done).min(end);
            whole[begin..end].iter_mut().for_each(|byte| *byte = byte.reverse_bits());
            done = done.max(end);
        }
    }
    copy
}
