//! What a file is, from its first bytes and its extension.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::ImageFormat;

/// The formats that can be read, for messages.
pub(super) const READABLE: &str = "jpg, png, webp and bmp can be read";

/// Extensions of pictures that can be read.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib"];

/// Extensions of pictures that cannot, with the name of their format.
const FOREIGN: [(&str, &str); 22] = [
    ("gif", "GIF"),
    ("tif", "TIFF"),
    ("tiff", "TIFF"),
    ("heic", "HEIC"),
    ("heif", "HEIC"),
    ("avif", "AVIF"),
    ("jxl", "JPEG XL"),
    ("jp2", "JPEG 2000"),
    ("psd", "Photoshop"),
    ("dng", "camera raw"),
    ("cr2", "camera raw"),
    ("cr3", "camera raw"),
    ("nef", "camera raw"),
    ("arw", "camera raw"),
    ("orf", "camera raw"),
    ("rw2", "camera raw"),
    ("raf", "camera raw"),
    ("exr", "OpenEXR"),
    ("hdr", "Radiance HDR"),
    ("tga", "TGA"),
    ("ico", "ICO"),
    ("svg", "SVG"),
];

/// What [`sniff`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture in a format that can be read.
    Picture(ImageFormat),
    /// Meant as a picture, but cannot be read; the reason.
    Unreadable(String),
    /// Not a picture, and not named like one.
    Other,
}

/// Looks at the extension and the first bytes of `path`; the bytes decide.
pub(super) fn sniff(path: &Path) -> Kind {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let foreign = FOREIGN.iter().find(|(e, _)| *e == extension).map(|(_, name)| *name);
    let named_as_picture = foreign.is_some() || PICTURES.contains(&extension.as_str());
    let verdict = |reason: String| if named_as_picture { Kind::Unreadable(reason) } else { Kind::Other };
    let head = match head(path) {
        Ok(head) => head,
        Err(source) => return verdict(format!("cannot be opened: {source}")),
    };
    if head.is_empty() {
        return verdict("is empty (0 bytes)".into());
    }
    if let Some(format) = readable(&head) {
        return Kind::Picture(format);
    }
    match foreign_content(&head).or(foreign) {
        Some(name) => verdict(format!("is a {name} file; {READABLE}")),
        None => verdict(format!("has the extension .{extension}, but its content is not a picture")),
    }
}

/// The format of a picture that can be read, by its first bytes.
pub(super) fn readable(head: &[u8]) -> Option<ImageFormat> {
    match image::guess_format(head).ok()? {
        // two letters are a weak sign: a text may begin with them, so the header size must be one that exists
        ImageFormat::Bmp => {
            let size = u32::from_le_bytes(head.get(14..18)?.try_into().ok()?);
            [12, 16, 40, 52, 56, 64, 108, 124].contains(&size).then_some(ImageFormat::Bmp)
        }
        format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) => Some(format),
        _ => None,
    }
}

/// The short name of a format that can be read.
pub(super) fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpg",
        ImageFormat::Png => "png",
        ImageFormat::WebP => "webp",
        ImageFormat::Bmp => "bmp",
        _ => "other",
    }
}

pub(super) fn foreign_content(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'G', b'I', b'F', b'8', ..] => Some("GIF"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', ..] => Some("JPEG XL"),
        [0, 0, 0, 12, b'j', b'P', ..] => Some("JPEG 2000"),
        [b'8', b'B', b'P', b'S', ..] => Some("Photoshop"),
        _ if head.get(4..8) == Some(b"ftyp") => match head.get(8..12)? {
            b"avif" | b"avis" => Some("AVIF"),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Some("HEIC"),
            _ => None,
        },
        _ => None,
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(32);
    File::open(path)?.take(32).read_to_end(&mut head)?;
    Ok(head)
}
