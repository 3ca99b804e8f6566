//! What a file is, from its first bytes and its extension.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use image::ImageFormat;

use super::mark;

/// The formats that can be read, for messages.
pub(super) const READABLE: &str = "jpg, png, webp and bmp can be read";

/// Extensions of pictures that can be read.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib"];

/// Extensions of pictures that cannot, with the name of their format.
const FOREIGN: [(&str, &[&str]); 16] = [
    ("GIF", &["gif"]),
    ("TIFF", &["tif", "tiff"]),
    ("HEIC", &["heic", "heif", "heics", "hif"]),
    ("AVIF", &["avif"]),
    ("JPEG XL", &["jxl"]),
    ("JPEG 2000", &["jp2", "j2k", "jpx"]),
    ("Photoshop", &["psd", "psb"]),
    (
        RAW,
        &["dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "orf", "rw2", "rwl", "raf", "pef"],
    ),
    (RAW, &["srw", "3fr", "fff", "iiq", "x3f", "erf", "mrw", "kdc", "dcr", "mef", "mos", "gpr", "raw"]),
    ("OpenEXR", &["exr"]),
    ("Radiance HDR", &["hdr"]),
    ("TGA", &["tga"]),
    ("ICO", &["ico"]),
    ("SVG", &["svg"]),
    ("GIMP", &["xcf"]),
    ("Netpbm", &["ppm", "pgm", "pbm", "pnm"]),
];
const RAW: &str = "camera raw";
/// Bytes that are read of the beginning of a file; a mark of this program is in them, or in as many of the end.
const ENDS: u64 = 512;

/// Extensions of files that stand for one that lies elsewhere, with what they are.
const PLACEHOLDERS: [(&str, &str); 9] = [
    ("icloud", "iCloud placeholder"),
    ("nextcloud", "Nextcloud placeholder"),
    ("owncloud", "ownCloud placeholder"),
    ("cloud", "odrive placeholder"),
    ("dvc", "DVC pointer"),
    ("url", ".url link"),
    ("webloc", ".webloc link"),
    ("lnk", ".lnk link"),
    ("crdownload", "unfinished download"),
];
/// How a pointer of Git LFS begins.
const GIT_LFS: &[u8] = b"version https://git-lfs";

/// "a GIF file", "an SVG file".
pub(super) fn foreign_file(name: &str) -> String {
    // by how the first letter is spoken
    let vowel = name.starts_with(['A', 'I', 'O']) || name == "SVG" || name == "XCF";
    format!("{} {name} file", if vowel { "an" } else { "a" })
}

/// What [`sniff`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture in a format that can be read.
    Picture(ImageFormat),
    /// Meant as a picture, but cannot be read; the reason.
    Unreadable(String),
    /// Called like a picture, and without any content: many a cloud's client leaves such files for those that it has
    /// not fetched.
    Empty,
    /// A picture in a format that is known and not read; its name.
    Foreign(&'static str),
    /// Stands for a file that is not here; what it is.
    Placeholder(&'static str),
    /// Not a picture, and not named like one.
    Other,
}

/// The extension of `path` in small letters.
pub(super) fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// The format of a picture that cannot be read, by the extension.
fn foreign_extension(extension: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(_, all)| all.contains(&extension)).map(|(name, _)| *name)
}

/// Whether a file is called like a picture, of whatever format.
pub(super) fn is_named_as_picture(path: &Path) -> bool {
    let extension = extension(path);
    PICTURES.contains(&extension.as_str()) || foreign_extension(&extension).is_some()
}

/// What the file stands for, by its extension, if it stands for another one.
pub(super) fn placeholder(path: &Path) -> Option<&'static str> {
    let extension = extension(path);
    PLACEHOLDERS.iter().find(|(e, _)| *e == extension).map(|(_, name)| *name)
}

/// A file, as far as [`sniff`] has looked at it.
pub(super) struct Sniffed {
    pub(super) kind: Kind,
    /// the file's size
    pub(super) bytes: u64,
    /// whether it is a picture with a mark of this program
    pub(super) marked: bool,
}

/// Looks at the extension and the first bytes of `path`; the bytes decide.
pub(super) fn sniff(path: &Path) -> Sniffed {
    let extension = extension(path);
    let foreign = foreign_extension(&extension);
    let named_as_picture = foreign.is_some() || PICTURES.contains(&extension.as_str());
    let verdict = |reason: String| if named_as_picture { Kind::Unreadable(reason) } else { Kind::Other };
    let (head, bytes) = match head(path) {
        Ok(found) => found,
        Err(source) => {
            let kind = verdict(format!("cannot be opened: {source}"));
            return Sniffed { kind, bytes: 0, marked: false };
        }
    };
    if let Some(format) = readable(&head) {
        let marked = mark::has_exif(&head) || has_exif_at_end(&head) && mark::has_exif(&tail(path, bytes));
        return Sniffed { kind: Kind::Picture(format), bytes, marked };
    }
    let kind = if let Some(what) = placeholder(path) {
        Kind::Placeholder(what)
    } else if head.starts_with(GIT_LFS) && named_as_picture {
        Kind::Placeholder("Git LFS pointer")
    } else if let Some(name) = foreign.or(foreign_content(&head)).filter(|_| named_as_picture) {
        Kind::Foreign(name)
    } else if head.is_empty() && named_as_picture {
        Kind::Empty
    } else {
        verdict(format!("has the extension .{extension}, but its content is not a picture"))
    };
    Sniffed { kind, bytes, marked: false }
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

fn head(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let mut head = Vec::with_capacity(ENDS as usize);
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    file.take(ENDS).read_to_end(&mut head)?;
    Ok((head, bytes))
}

/// Whether a picture keeps its EXIF data behind its pixels: WebP does, and says in its first bytes whether it has any.
fn has_exif_at_end(head: &[u8]) -> bool {
    const EXIF: u8 = 8;
    head.get(12..16) == Some(b"VP8X") && head.get(20).is_some_and(|flags| flags & EXIF != 0)
}

/// The last bytes of a file; none where they cannot be read.
fn tail(path: &Path, bytes: u64) -> Vec<u8> {
    let read = || {
        let (mut file, mut tail) = (File::open(path)?, Vec::new());
        file.seek(SeekFrom::Start(bytes.saturating_sub(ENDS)))?;
        file.take(ENDS).read_to_end(&mut tail)?;
        std::io::Result::Ok(tail)
    };
    read().unwrap_or_default()
}
