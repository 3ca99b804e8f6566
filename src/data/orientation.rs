//! EXIF orientation of PNG and WebP files.
//! Read this for where a file may carry it and which one wins. (JPEG: see `jpeg/segments.rs`.)

use std::io::Read;

use flate2::read::ZlibDecoder;
use image::ImageFormat;
use image::metadata::Orientation;

use super::chunks;

/// Maximum number of bytes of text that are searched.
const MAX_TEXT: u64 = 1 << 20;

/// The orientation in the metadata of `data`; unchanged if its EXIF cannot be read, which is no reason to refuse the
/// pixels.
pub(super) fn of(format: ImageFormat, data: &[u8]) -> Orientation {
    let found = match format {
        ImageFormat::Png => of_png(data),
        ImageFormat::WebP => of_webp(data),
        _ => None,
    };
    found.unwrap_or(Orientation::NoTransforms)
}

/// The orientation of a PNG, in Pillow's order: first an `eXIf` chunk, before or after the pixels; then a text chunk
/// with EXIF in hexadecimal digits, as ImageMagick and GIMP write it; then XMP.
fn of_png(data: &[u8]) -> Option<Orientation> {
    let (mut exif, mut raw, mut xmp) = (None, None, None);
    for (kind, body) in chunks::of_png(data) {
        if kind == b"eXIf" {
            exif = exif.or(of_exif(body));
            continue;
        }
        match text_of(kind, body) {
            Some((b"Raw profile type exif" | b"Raw profile type APP1", text)) => {
                raw = raw.or(of_profile(&text));
            }
            Some((b"XML:com.adobe.xmp", text)) => xmp = xmp.or(of_xmp(&text)),
            _ => {}
        }
    }
    exif.or(raw).or(xmp)
}

/// Keyword and text of a PNG chunk, if it is a text chunk.
fn text_of<'a>(kind: &[u8; 4], body: &'a [u8]) -> Option<(&'a [u8], Vec<u8>)> {
    if !matches!(kind, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    let (keyword, rest) = split_at_zero(body)?;
    let (packed, text) = match kind {
        b"tEXt" => (false, rest),
        b"zTXt" => (true, rest.get(1..)?),
        _ => {
            let (&[packed, _], rest) = rest.split_first_chunk()?;
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated, text) = split_at_zero(rest)?;
            (packed != 0, text)
        }
    };
    let mut whole = Vec::new();
    if packed {
        ZlibDecoder::new(text).take(MAX_TEXT).read_to_end(&mut whole).ok()?;
    } else {
        whole.extend(text);
    }
    Some((keyword, whole))
}

fn split_at_zero(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..at], &data[at + 1..]))
}

/// EXIF in a raw profile: an empty line, its name, its length, and then hexadecimal digits.
fn of_profile(text: &[u8]) -> Option<Orientation> {
    let digits = text.splitn(4, |&byte| byte == b'\n').nth(3)?;
    let digits: Vec<u8> = digits.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let exif: Vec<u8> = digits.as_chunks().0.iter().map(byte).collect::<Option<_>>()?;
    of_exif(&exif)
}

fn of_xmp(text: &[u8]) -> Option<Orientation> {
    let name = b"tiff:Orientation";
    let at = text.windows(name.len()).position(|window| window == name)?;
    // an attribute or an element
    let digit = match text.get(at + name.len()..)? {
        [b'=', b'"' | b'\'', digit, ..] | [b'>', digit, ..] => *digit,
        _ => return None,
    };
    Orientation::from_exif(digit.wrapping_sub(b'0'))
}

/// EXIF of a WebP whose header announces an `EXIF` chunk; libwebp and readers based on it ignore unannounced ones.
fn of_webp(data: &[u8]) -> Option<Orientation> {
    let announces = |body: &[u8]| body.first().is_some_and(|flags| flags & 8 != 0);
    let mut announced = false;
    for (kind, body) in chunks::of_webp(data) {
        match kind {
            b"VP8X" => announced = announces(body),
            b"EXIF" if announced => return of_exif(body),
            _ => {}
        }
    }
    None
}

/// EXIF, with or without the prefix that it has in a JPEG.
fn of_exif(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}
