//! The picture formats that are read: the one list for detection, messages and the help.
//! Read this to add a format. (Known formats that are not read: see `sniff.rs`.)

use image::ImageFormat;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    Jpeg,
    Tiff,
    Heic,
    Avif,
    Jxl,
    /// Camera raw, of which the camera's JPEG is read.
    Raw,
    /// One that the `image` crate decodes.
    Image(ImageFormat),
}

/// A format with its short name and its extensions.
struct Entry(Format, &'static str, &'static [&'static str]);

/// All formats, the most frequent first.
const ALL: [Entry; 14] = [
    Entry(Format::Jpeg, "jpg", &["jpg", "jpeg", "jpe", "jfif"]),
    Entry(Format::Image(ImageFormat::Png), "png", &["png", "apng"]),
    Entry(Format::Heic, "heic", &["heic", "heif", "heics", "hif"]),
    Entry(Format::Image(ImageFormat::WebP), "webp", &["webp"]),
    Entry(Format::Avif, "avif", &["avif"]),
    Entry(Format::Tiff, "tiff", &["tif", "tiff"]),
    Entry(Format::Jxl, "jxl", &["jxl"]),
    Entry(Format::Image(ImageFormat::Gif), "gif", &["gif"]),
    Entry(Format::Image(ImageFormat::Bmp), "bmp", &["bmp", "dib"]),
    Entry(Format::Image(ImageFormat::Pnm), "pnm", &["ppm", "pgm", "pbm", "pnm", "pam"]),
    Entry(Format::Image(ImageFormat::Qoi), "qoi", &["qoi"]),
    Entry(Format::Image(ImageFormat::Tga), "tga", &["tga"]),
    Entry(Format::Image(ImageFormat::Ico), "ico", &["ico"]),
    Entry(
        Format::Raw,
        "raw",
        &["dng", "cr2", "cr3", "nef", "nrw", "arw", "sr2", "orf", "rw2", "rwl", "raf", "pef", "srw", "gpr"],
    ),
];

/// Ways to convert what is not read of a format.
pub(super) const CONVERT_HEIC: &str = "convert it: heif-convert IN.heic OUT.jpg, or on a Mac: sips -s format jpeg \
                                       IN.heic --out OUT.jpg; an iPhone writes JPEG with Settings, Camera, Formats, \
                                       Most Compatible";
pub(super) const CONVERT_AVIF: &str = "convert it: avifdec IN.avif OUT.png";

impl Format {
    /// The short name.
    pub(super) fn name(self) -> &'static str {
        ALL.iter().find(|entry| entry.0 == self).map_or("other", |entry| entry.1)
    }

    /// The format of files with this extension, in lower case.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        ALL.iter().find(|entry| entry.2.contains(&extension)).map(|entry| entry.0)
    }

    /// The format of a file that begins with `head` and has this extension, which counts only where bytes cannot tell.
    pub(super) fn of(head: &[u8], extension: &str) -> Option<Self> {
        let named = Self::of_extension(extension);
        let tga = Self::Image(ImageFormat::Tga);
        match Self::of_content(head) {
            Some(Self::Tiff) if named == Some(Self::Raw) => Some(Self::Raw),
            None if named == Some(tga) && is_tga(head) => Some(tga),
            found => found,
        }
    }

    /// The format of a file that begins with `head`. A camera raw file that is a TIFF is one here.
    fn of_content(head: &[u8]) -> Option<Self> {
        match head {
            [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..]
            | [b'I', b'I', b'R', b'O' | b'S', ..]
            | [b'M', b'M', b'O', b'R', ..]
            | [b'I', b'I', 0x55, 0, ..] => return Some(Self::Raw),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => return Some(Self::Tiff),
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => return Some(Self::Jxl),
            _ if head.starts_with(b"FUJIFILMCCD-RAW") => return Some(Self::Raw),
            _ if head.get(4..8) == Some(b"ftyp") => return of_brands(head),
            _ => {}
        }
        let format = image::guess_format(head).ok()?;
        let fits = match format {
            ImageFormat::Jpeg => return Some(Self::Jpeg),
            // two letters are a weak signature: a text may begin with them, so what follows must fit as well
            ImageFormat::Bmp => {
                let size = u32::from_le_bytes(head.get(14..18)?.try_into().ok()?);
                [12, 16, 40, 52, 56, 64, 108, 124].contains(&size)
            }
            ImageFormat::Pnm => is_pnm(head),
            ImageFormat::Ico => is_ico(head),
            _ => true,
        };
        let entry = ALL.iter().find(|entry| entry.0 == Self::Image(format))?;
        fits.then_some(entry.0)
    }
}

/// The format by the brands of an ISO base media file; the main one may be a general one.
fn of_brands(head: &[u8]) -> Option<Format> {
    let length = u32::from_be_bytes(*head.first_chunk()?) as usize;
    let main = head.get(8..12)?;
    let others = head.get(16..length.min(head.len())).unwrap_or_default().as_chunks::<4>().0;
    let of = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some(Format::Avif),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some(Format::Heic),
        b"crx " => Some(Format::Raw),
        _ => None,
    };
    let general = matches!(main, b"mif1" | b"msf1").then_some(Format::Heic);
    of(main).or(general.and_then(|_| others.iter().find_map(|brand| of(brand)))).or(general)
}

/// Whether a Netpbm header follows its two letters: a number, a comment or a keyword in capitals, after a blank.
fn is_pnm(head: &[u8]) -> bool {
    let after = head.get(2..).unwrap_or_default();
    let next = after.iter().find(|byte| !byte.is_ascii_whitespace());
    after.first().is_some_and(u8::is_ascii_whitespace)
        && next.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'#' || head[1] == b'7')
}

/// Whether the directory of an ICO has entries whose reserved byte is zero.
fn is_ico(head: &[u8]) -> bool {
    let count = head.get(4..6).map_or(0, |count| u16::from_le_bytes([count[0], count[1]]));
    (1..=64).contains(&count) && head.get(9) == Some(&0)
}

/// Whether the fields of a TGA header, which has no signature, are valid.
fn is_tga(head: &[u8]) -> bool {
    let Some(&[_, map, kind, ..]) = head.first_chunk::<18>() else { return false };
    matches!((map, kind), (0 | 1, 1 | 9) | (0, 2 | 3 | 10 | 11)) && matches!(head[16], 8 | 15 | 16 | 24 | 32)
}

/// "jpg, png and webp": the formats that are read, for messages and help.
pub fn readable_formats() -> String {
    let names: Vec<&str> = ALL.iter().map(|entry| entry.1).collect();
    let (last, others) = names.split_last().expect("there are formats");
    format!("{} and {last}", others.join(", "))
}
