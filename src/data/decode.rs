//! Decoding of picture files to RGB8, at their own size or at the network's.
//! Read this for which files are accepted and which failures are errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::colour::{ColourRule, Reading};
use super::encoded::{Encoded, FILES, MAX_BYTES, Picture};
use super::sniff::extension;

/// Version of the decoder, raised whenever a file may give other pixels: cached pixels of an older version are decoded
/// again.
pub(super) const VERSION: u32 = 3;

/// A picture at its own size.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Width in pixels, after turning.
    pub width: u32,
    /// Height in pixels, after turning.
    pub height: u32,
    /// `[height, width, 3]`, 8 bits a channel.
    pub rgb: Vec<u8>,
    /// Format of the content: a name of [`super::readable_formats`].
    pub format: &'static str,
    /// Name of the colours that the file declares; `None` if it declares nothing.
    pub profile: Option<String>,
    /// Whether its samples have 16 bits but stay below an eighth of the range, as unscaled 12-bit camera data does:
    /// such a picture is nearly black.
    pub faint: bool,
}

/// The reason why a picture has no pixels: a phrase without the path.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be read, which may be temporary: a permission, a network, a disk.
    Access(String),
    /// The content is not a picture, which stays true until the file changes.
    Content(String),
}

impl Failure {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Access(reason) | Self::Content(reason) => reason,
        }
    }
}

/// Reads the picture at `path` as RGB8 `[size, size, 3]`.
///
/// # Errors
/// As [`decode`].
pub fn load(path: &Path, size: u32, how: impl Into<Reading>) -> Result<Vec<u8>, String> {
    load_file(path, size, how.into()).map_err(Failure::reason)
}

/// As [`load`], with the kind of failure.
pub(super) fn load_file(path: &Path, size: u32, how: Reading) -> Result<Vec<u8>, Failure> {
    read(path, |data| Encoded::open(data, &extension(path), how.colour)?.square(size, how.resize))
}

/// Reads the picture at `path` at its own size.
///
/// The content determines the format. Colours are converted to sRGB by the file's profile; CMYK without a profile is converted by multiplying the light that its inks leave. The orientation is
/// applied, grey becomes RGB, transparency is blended over white, and 16 bits are rounded to 8. An animation gives its
/// first frame. The pixels of a JPEG without a profile equal those of libjpeg-turbo.
///
/// # Errors
/// A phrase without the path, if the file cannot be read, is not a picture, is damaged or truncated (a JPEG is complete
/// if all its blocks are there, with or without the end marker), is an arithmetic-coded, lossless, hierarchical or
/// 12-bit JPEG, has colours that cannot be converted (HDR, a damaged profile), or claims more than 32,768 pixels a side or 1 GiB. A panic inside a decoder is an error too, see
/// [`is_decoding`]: one bad file must not end a run.
pub fn decode(path: &Path) -> Result<Decoded, String> {
    decode_by(path, ColourRule::default())
}

/// As [`decode`], with another treatment of colours.
///
/// # Errors
/// As [`decode`]; with [`ColourRule::AsStored`] no colours are an error.
pub fn decode_by(path: &Path, colour: ColourRule) -> Result<Decoded, String> {
    let decoded = read(path, |data| {
        let file = Encoded::open(data, &extension(path), colour)?;
        let (format, profile) = (file.format.name(), file.declared.name());
        let Picture { width, height, rgb, faint, .. } = file.whole()?;
        Ok(Decoded { width, height, rgb, format, profile, faint })
    });
    decoded.map_err(Failure::reason)
}

/// Reads the file at `path` and decodes its bytes.
fn read<T>(path: &Path, decode: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, Failure> {
    let unreadable = |source: std::io::Error| Failure::Access(format!("cannot be read: {source}"));
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Failure::Access("is not a file".into()));
    }
    if meta.len() > MAX_BYTES {
        let reason = format!("has {} MiB; at most {} are read", meta.len() >> 20, MAX_BYTES >> 20);
        return Err(Failure::Content(reason));
    }
    // the order of locks is always files, then pixels, so there is no deadlock
    let _share = FILES.take(meta.len());
    let data = std::fs::read(path).map_err(unreadable)?;
    guarded(|| decode(&data))
        .unwrap_or_else(|| Err("is damaged in a way that the decoder does not survive".into()))
        .map_err(Failure::Content)
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder. A panic there is caught and becomes the reason why a file is skipped, so a
/// panic hook should print nothing.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// The result of `decode`; `None` if it panics.
fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    let before = DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode)).ok();
    DECODING.set(before);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_decoder_is_an_error_and_is_told_to_be_one() {
        let hook = std::panic::take_hook();
        let (told, hears) = std::sync::mpsc::channel();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref() == Some(&"on purpose") {
                told.send(is_decoding()).expect("the test hears");
            }
        }));
        let decoded = guarded(|| -> u8 { panic!("on purpose") });
        std::panic::set_hook(hook);
        assert_eq!(decoded, None);
        assert_eq!(hears.iter().collect::<Vec<_>>(), [true], "what a hook saw");
        assert!(!is_decoding());
        assert_eq!(guarded(|| 7), Some(7));
    }
}
