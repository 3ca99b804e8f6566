//! Provenance marks: hidden metadata in written files that names the command and holds a digest of the content.
//! A command recognizes its own files by the mark, and does not overwrite files of others or files that somebody has
//! changed.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use serde_json::Value;

/// Files above this many bytes are not read.
const MAX_BYTES: u64 = 1 << 30;
/// Prefix of every mark.
const OPENS: &str = "wgvae ";
/// Maximum length of a mark's text, in bytes.
const MAX_TEXT: usize = 80;
/// Delimiters of the mark at the end of an HTML page.
const PAGE: [&str; 2] = ["<!-- ", " -->\n"];

/// The command that made a file, and the settings that it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// the command's name
    pub command: String,
    /// digest of all settings that the result depends on, if the command has any
    pub settings: Option<u32>,
}

impl Mark {
    /// The mark of `command`.
    pub fn of(command: &str) -> Self {
        Self { command: command.to_owned(), settings: None }
    }

    /// "wgvae COMMAND SETTINGS DIGEST", eight hexadecimal digits or a dash each.
    pub fn text(&self, digest: Option<u32>) -> String {
        let hexadecimal = |number: Option<u32>| number.map_or("-".into(), |number| format!("{number:08x}"));
        format!("{OPENS}{} {} {}", self.command, hexadecimal(self.settings), hexadecimal(digest))
    }

    /// Parses a mark without checking its digest.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::with_digest(text)?.0)
    }

    fn with_digest(text: &str) -> Option<(Self, Option<u32>)> {
        let mut words = text.strip_prefix(OPENS)?.split_whitespace();
        let command = words.next()?.to_owned();
        let mut number = || match words.next()? {
            "-" => Some(None),
            digits => u32::from_str_radix(digits, 16).ok().map(Some),
        };
        let settings = number()?;
        Some((Self { command, settings }, number()?))
    }

    /// The mark of the file at `path`; `None` if the file has none or was changed since.
    pub fn read(path: &Path) -> Option<Self> {
        let mut start = Vec::new();
        File::open(path).ok()?.take(16).read_to_end(&mut start).ok()?;
        let length = u64::from_le_bytes(start.get(..8)?.try_into().ok()?);
        if start.get(8) == Some(&b'{') && length < MAX_BYTES {
            let mut header = Vec::new();
            File::open(path).ok()?.take(8 + length).read_to_end(&mut header).ok()?;
            return of_tensors(header.get(8..)?);
        }
        if fs::metadata(path).ok()?.len() > MAX_BYTES {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        match bytes.first()? {
            b'{' => of_json(&bytes),
            b'<' => of_end(&bytes, PAGE.map(str::as_bytes)),
            b'G' => of_film(&bytes),
            _ => of_picture(&bytes),
        }
    }

    /// `page` with the mark appended.
    pub fn sign_page(&self, page: &str) -> String {
        let digest = crc32fast::hash(page.as_bytes());
        format!("{page}{}{}{}", PAGE[0], self.text(Some(digest)), PAGE[1])
    }

    /// `film`, a complete GIF, with the mark as its last comment.
    pub(super) fn sign_film(&self, mut film: Vec<u8>) -> Vec<u8> {
        let end = film.pop();
        let text = self.text(Some(crc32fast::hash(&film)));
        film.extend(comment(text.len()));
        film.extend(text.as_bytes());
        film.push(0);
        film.extend(end);
        film
    }
}

/// Header of a GIF comment of `length` bytes, at most 255.
fn comment(length: usize) -> [u8; 3] {
    [0x21, 0xfe, length as u8]
}

/// The mark between two delimiters at the end of a file, if its digest is that of all bytes before it.
fn of_end(bytes: &[u8], [before, after]: [&[u8]; 2]) -> Option<Mark> {
    let rest = bytes.strip_suffix(after)?;
    let from = rest.len().saturating_sub(MAX_TEXT);
    let at = from + rest[from..].windows(OPENS.len()).rposition(|window| window == OPENS.as_bytes())?;
    let (mark, digest) = Mark::with_digest(std::str::from_utf8(&rest[at..]).ok()?)?;
    let body = rest[..at].strip_suffix(before)?;
    (digest == Some(crc32fast::hash(body))).then_some(mark)
}

fn of_film(bytes: &[u8]) -> Option<Mark> {
    let end = bytes.strip_suffix(&[0, 0x3b])?;
    let from = end.len().saturating_sub(MAX_TEXT);
    let at = from + end[from..].windows(OPENS.len()).rposition(|window| window == OPENS.as_bytes())?;
    of_end(bytes, [&comment(end.len() - at), &[0, 0x3b]])
}

/// Digest of a picture's size and pixels, so that it is equal in every lossless format.
pub(super) fn digest(image: &RgbImage) -> u32 {
    let mut digest = crc32fast::Hasher::new();
    [image.width(), image.height()].iter().for_each(|side| digest.update(&side.to_le_bytes()));
    digest.update(image.as_raw());
    digest.finalize()
}

/// EXIF data that only hold the name of the software: a TIFF header and one directory with one entry.
pub(super) fn exif(text: &str) -> Vec<u8> {
    const SOFTWARE: u16 = 0x0131;
    const ASCII: u16 = 2;
    let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend(SOFTWARE.to_le_bytes());
    exif.extend(ASCII.to_le_bytes());
    exif.extend((text.len() as u32 + 1).to_le_bytes());
    exif.extend(26u32.to_le_bytes()); // offset of the text, after this field and the offset of the next directory
    exif.extend(0u32.to_le_bytes());
    exif.extend(text.as_bytes());
    exif.push(0);
    exif
}

/// Whether the EXIF data somewhere in `bytes`, a part of a picture file, begin like those of [`exif`] with a mark.
pub(super) fn has_exif(bytes: &[u8]) -> bool {
    const BEGINS: &[u8] = b"II*\0\x08\0\0\0\x01\0\x31\x01\x02\0";
    const TEXT_AT: usize = 26;
    let found = bytes.windows(BEGINS.len()).position(|window| window == BEGINS);
    let text = found.and_then(|at| bytes.get(at + TEXT_AT..));
    text.is_some_and(|text| text.starts_with(OPENS.as_bytes()))
}

fn of_picture(bytes: &[u8]) -> Option<Mark> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let exif = decoder.exif_metadata().ok()??;
    let at = exif.windows(OPENS.len()).position(|window| window == OPENS.as_bytes())?;
    let text = exif[at..].split(|&byte| byte == 0).next()?;
    let (mark, digested) = Mark::with_digest(std::str::from_utf8(text).ok()?)?;
    let pixels = DynamicImage::from_decoder(decoder).ok()?.into_rgb8();
    (digested == Some(digest(&pixels))).then_some(mark)
}

/// The mark in the header of a safetensors file.
fn of_tensors(header: &[u8]) -> Option<Mark> {
    let header: Value = serde_json::from_slice(header).ok()?;
    let about = header.get("__metadata__")?;
    if let Some(text) = about.get("made_by") {
        return Mark::parse(text.as_str()?);
    }
    // a fitted prior has no mark; no other file has these tensors
    let prior = ["weights", "means", "factors", "kl"].iter().all(|name| header.get(name).is_some());
    (prior && about.get("model").is_some()).then(|| Mark::of("fit-prior"))
}

fn of_json(bytes: &[u8]) -> Option<Mark> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let made_by = document.get("otherData").and_then(|about| about.get("made_by"));
    if let Some(text) = made_by {
        return Mark::parse(text.as_str()?);
    }
    // a tuning table has no mark; no other document has these keys
    let table = ["adapter", "driver", "shaders", "forms"].iter().all(|key| document.get(key).is_some());
    table.then(|| Mark::of("tune"))
}
