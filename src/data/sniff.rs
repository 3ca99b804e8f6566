//! File type detection by the first bytes and the extension.
//! Read this to name a format that is not supported. (Supported ones: see `formats.rs`.)

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::formats::Format;
use super::mark;

/// Extensions of unsupported pictures, with the name of their format.
const FOREIGN: [(&str, &[&str]); 8] = [
    ("JPEG 2000", &["jp2", "j2k", "jpx"]),
    ("Photoshop", &["psd", "psb"]),
    (RAW, &["crw", "srf", "3fr", "fff", "iiq", "x3f", "erf", "mrw", "kdc", "dcr", "mef", "mos"]),
    ("OpenEXR", &["exr"]),
    ("Radiance HDR", &["hdr"]),
    ("SVG", &["svg"]),
    ("GIMP", &["xcf"]),
    ("DDS", &["dds"]),
];
const RAW: &str = "camera raw";
/// Number of bytes read from the beginning of a file; a mark of this program is within these, or within this many of
/// the end.
const ENDS: u64 = 512;

/// Extensions of placeholders for files that are stored elsewhere, with a description.
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
/// Prefix of a Git LFS pointer.
const GIT_LFS: &[u8] = b"version https://git-lfs";

/// "a GIF file", "an SVG file".
pub(super) fn foreign_file(name: &str) -> String {
    // by the sound of the first letter
    let vowel = name.starts_with(['A', 'I', 'O']) || name == "SVG" || name == "XCF";
    format!("{} {name} file", if vowel { "an" } else { "a" })
}

/// Kind of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture in a format that can be read.
    Picture(Format),
    /// Named or shaped like a picture, but unreadable; the reason.
    Unreadable(String),
    /// Named like a picture, but empty: some cloud clients leave such files for pictures that are not downloaded.
    Empty,
    /// A picture in a known but unsupported format; its name.
    Foreign(&'static str),
    /// A placeholder for a file that is not here; its description.
    Placeholder(&'static str),
    /// Not a picture, and not named like one.
    Other,
}

/// The extension of `path` in lower case.
pub(super) fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// The name of an unsupported picture format, by the extension.
fn foreign_extension(extension: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(_, all)| all.contains(&extension)).map(|(name, _)| *name)
}

/// Whether a file is named like a picture of any format.
pub(super) fn is_named_as_picture(path: &Path) -> bool {
    let extension = extension(path);
    Format::of_extension(&extension).is_some() || foreign_extension(&extension).is_some()
}

/// Description of the placeholder, if the extension is that of one.
pub(super) fn placeholder(path: &Path) -> Option<&'static str> {
    let extension = extension(path);
    PLACEHOLDERS.iter().find(|(e, _)| *e == extension).map(|(_, name)| *name)
}

/// Result of [`sniff`].
pub(super) struct Sniffed {
    pub(super) kind: Kind,
    /// the file's size
    pub(super) bytes: u64,
    /// whether it is a picture with a mark of this program
    pub(super) marked: bool,
}

/// Reads the extension and the first bytes of `path`; the bytes take precedence.
pub(super) fn sniff(path: &Path) -> Sniffed {
    let extension = extension(path);
    let foreign = foreign_extension(&extension);
    let named = Format::of_extension(&extension);
    let named_as_picture = foreign.is_some() || named.is_some();
    let verdict = |reason: String| if named_as_picture { Kind::Unreadable(reason) } else { Kind::Other };
    let (head, bytes) = match head(path) {
        Ok(found) => found,
        Err(source) => {
            let kind = verdict(format!("cannot be opened: {source}"));
            return Sniffed { kind, bytes: 0, marked: false };
        }
    };
    if let Some(format) = Format::of(&head, &extension) {
        let marked = mark::has_exif(&head) || has_exif_at_end(&head) && mark::has_exif(&tail(path, bytes));
        return Sniffed { kind: Kind::Picture(format), bytes, marked };
    }
    // makers change their formats: such a file is not damaged, only unknown
    let unknown_raw = (named == Some(Format::Raw) && !head.is_empty()).then_some(RAW);
    let kind = if let Some(what) = placeholder(path) {
        Kind::Placeholder(what)
    } else if head.starts_with(GIT_LFS) && named_as_picture {
        Kind::Placeholder("Git LFS pointer")
    } else if let Some(name) = foreign.or(foreign_content(&head)).or(unknown_raw).filter(|_| named_as_picture)
    {
        Kind::Foreign(name)
    } else if head.is_empty() && named_as_picture {
        Kind::Empty
    } else {
        verdict(format!("has the extension .{extension}, but its content is not a picture"))
    };
    Sniffed { kind, bytes, marked: false }
}

pub(super) fn foreign_content(head: &[u8]) -> Option<&'static str> {
    match head {
        [0, 0, 0, 12, b'j', b'P', ..] => Some("JPEG 2000"),
        [b'8', b'B', b'P', b'S', ..] => Some("Photoshop"),
        [0x76, 0x2f, 0x31, 0x01, ..] => Some("OpenEXR"),
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

/// Whether a picture stores its EXIF data after its pixels: WebP does, and its first bytes say whether it has any.
fn has_exif_at_end(head: &[u8]) -> bool {
    const EXIF: u8 = 8;
    head.get(12..16) == Some(b"VP8X") && head.get(20).is_some_and(|flags| flags & EXIF != 0)
}

/// The last bytes of a file; empty if they cannot be read.
fn tail(path: &Path, bytes: u64) -> Vec<u8> {
    let read = || {
        let (mut file, mut tail) = (File::open(path)?, Vec::new());
        file.seek(SeekFrom::Start(bytes.saturating_sub(ENDS)))?;
        file.take(ENDS).read_to_end(&mut tail)?;
        std::io::Result::Ok(tail)
    };
    read().unwrap_or_default()
}
