//! Parts of PNG and WebP files that carry an orientation.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// EXIF data with only this orientation.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    [&b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[orientation, 0, 0, 0, 0, 0, 0]].concat()
}

/// ImageMagick's text form of EXIF data.
pub(crate) fn profile(name: &str, exif: &[u8]) -> Vec<u8> {
    let digits: String = exif.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        digits.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).expect("digits")).collect();
    format!("\n{name}\n{:8}\n{}\n", exif.len(), lines.join("\n")).into_bytes()
}

/// Deflated, as in a PNG's zTXt.
pub(crate) fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// A chunk of a PNG with its checksum.
pub(crate) fn png_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], body].concat();
    let checksum = crc32fast::hash(&checked).to_be_bytes();
    [&(body.len() as u32).to_be_bytes(), &checked[..], &checksum].concat()
}

/// The PNG `plain` with `chunks` before or after the pixels.
pub(crate) fn png(plain: &[u8], chunks: &[u8], behind: bool) -> Vec<u8> {
    // the header ends at 33, the last chunk has 12 bytes
    let at = if behind { plain.len() - 12 } else { 33 };
    [&plain[..at], chunks, &plain[at..]].concat()
}

/// The lossless WebP `plain` of this width and height with EXIF; `flags` are those of an extended header, if it has one.
pub(crate) fn webp(plain: &[u8], [width, height]: [u32; 2], flags: Option<u8>, exif: &[u8]) -> Vec<u8> {
    let part = |kind: &[u8; 4], body: &[u8]| {
        let padding = vec![0; body.len() % 2];
        [&kind[..], &(body.len() as u32).to_le_bytes(), body, &padding].concat()
    };
    let [w, h] = [width - 1, height - 1].map(u32::to_le_bytes);
    let head =
        flags.map_or(Vec::new(), |flags| part(b"VP8X", &[&[flags, 0, 0, 0][..], &w[..3], &h[..3]].concat()));
    part(b"RIFF", &[b"WEBP", &head[..], &plain[12..], &part(b"EXIF", exif)].concat())
}
