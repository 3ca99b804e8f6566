//! The colours that PNG, WebP and BMP files declare. (JPEG: see `jpeg/segments.rs`; the others: see their decoders.)

use std::io::Read;

use flate2::read::ZlibDecoder;
use image::ImageFormat;

use super::{Declared, MAX_PROFILE, Primaries};
use crate::data::chunks;

/// The colours that `data` declares. A profile that cannot be unpacked is an empty one, which cannot be converted.
pub(in crate::data) fn of_file(format: ImageFormat, data: &[u8]) -> Declared {
    match format {
        ImageFormat::Png => of_png(data),
        ImageFormat::WebP => of_webp(data),
        ImageFormat::Bmp => of_bmp(data),
        _ => Declared::Nothing,
    }
}

/// In the order of the standard (PNG, third edition, section 4.3): cICP, iCCP, sRGB, then cHRM with gAMA. A gAMA alone
/// has no effect: many files have a wrong one.
fn of_png(data: &[u8]) -> Declared {
    let (mut cicp, mut icc, mut srgb, mut gamma, mut primaries) = (None, None, false, None, None);
    for (kind, body) in chunks::of_png(data) {
        match (kind, body) {
            // all of these come before the pixels
            (b"IDAT", _) => break,
            (b"cICP", &[primaries, transfer, _, _]) => {
                cicp = Some(Declared::Cicp { primaries: primaries.into(), transfer: transfer.into() });
            }
            (b"iCCP", body) => icc = Some(Declared::Icc(unpacked(body).unwrap_or_default())),
            (b"sRGB", _) => srgb = true,
            (b"gAMA", body) => gamma = number(body, 0),
            (b"cHRM", body) => {
                // white is first in the file
                let point = |at: usize| Some([number(body, 2 * at)?, number(body, 2 * at + 1)?]);
                primaries = [point(1), point(2), point(3), point(0)].into_iter().collect::<Option<Vec<_>>>();
            }
            _ => {}
        }
    }
    if let Some(declared) = cicp.or(icc) {
        return declared;
    }
    match (srgb, gamma, primaries.as_deref()) {
        (true, ..) => Declared::Srgb,
        (false, Some(gamma), Some(&[red, green, blue, white])) if gamma > 0.0 => {
            let primaries = Primaries([red, green, blue, white]);
            // programs that mean sRGB write this
            if primaries.is_near(&Primaries::SRGB) && (gamma - 1.0 / 2.2).abs() < 0.005 {
                return Declared::Srgb;
            }
            Declared::Gamma { primaries, gamma: 1.0 / gamma }
        }
        _ => Declared::Nothing,
    }
}

/// Number `at` of a chunk of numbers, in units of 1/100000.
fn number(body: &[u8], at: usize) -> Option<f64> {
    let bytes = body.get(4 * at..)?.first_chunk()?;
    Some(f64::from(u32::from_be_bytes(*bytes)) / 100_000.0)
}

/// The profile in an iCCP chunk, cut off at [`MAX_PROFILE`].
fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    let name = body.iter().position(|&byte| byte == 0)?;
    let packed = body.get(name + 2..)?;
    let mut profile = Vec::new();
    ZlibDecoder::new(packed).take(MAX_PROFILE as u64).read_to_end(&mut profile).ok()?;
    Some(profile)
}

/// The ICCP chunk, which the header must announce.
fn of_webp(data: &[u8]) -> Declared {
    const ICC: u8 = 0x20;
    let mut announced = false;
    for (kind, body) in chunks::of_webp(data) {
        match kind {
            b"VP8X" => announced = body.first().is_some_and(|flags| flags & ICC != 0),
            b"ICCP" if announced => return Declared::Icc(body.into()),
            _ => {}
        }
    }
    Declared::Nothing
}

/// The embedded profile of a header of version 5. Its other ways to declare colours are hardly ever filled in.
fn of_bmp(data: &[u8]) -> Declared {
    let word = |at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let embedded = || {
        let has_profile = word(14)? >= 124 && word(70)? == u32::from_be_bytes(*b"MBED");
        let (start, length) = (14 + word(126)? as usize, word(130)? as usize);
        has_profile.then(|| data.get(start..start.checked_add(length)?)).flatten()
    };
    embedded().map_or(Declared::Nothing, |profile| Declared::Icc(profile.into()))
}
