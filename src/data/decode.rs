//! From a file to RGB8 pixels, of its own size or of that which the network takes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::encoded::{Encoded, FILES, MAX_BYTES, Picture};
use super::resize::Resize;

/// Raised whenever a file may give other pixels than before: what is cached is then decoded again.
pub(super) const VERSION: u32 = 2;

/// A picture at its own size.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Width in pixels, after turning.
    pub width: u32,
    /// Height in pixels, after turning.
    pub height: u32,
    /// `[height, width, 3]`, 8 bits a channel.
    pub rgb: Vec<u8>,
    /// What the content is: `jpg`, `png`, `webp` or `bmp`.
    pub format: &'static str,
    /// Whether its samples have 16 bits and stay below an eighth of their range, as those of 12-bit cameras do that
    /// were not scaled: such a picture is nearly black.
    pub faint: bool,
}

/// Why a picture could not be had: a phrase without the path.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be read, which may pass: a permission, a network, a disk.
    Access(String),
    /// Its content is no picture, and stays so as long as the file does.
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
pub fn load(path: &Path, size: u32, resize: Resize) -> Result<Vec<u8>, String> {
    load_file(path, size, resize).map_err(Failure::reason)
}

/// As [`load`], with the kind of failure.
pub(super) fn load_file(path: &Path, size: u32, resize: Resize) -> Result<Vec<u8>, Failure> {
    read(path, |data| Encoded::open(data)?.square(size, resize))
}

/// Reads the picture at `path` at its own size.
///
/// The content decides the format. The EXIF orientation is applied, grey becomes RGB, transparency is laid
/// over white, 16 bits are rounded to 8, CMYK is converted (without a colour profile; profiles are ignored
/// throughout), and of an animation the first frame is taken. The pixels of a JPEG are those of libjpeg-turbo.
///
/// # Errors
/// A phrase without the path, when the file cannot be read, is no picture, is damaged, is cut off (a JPEG
/// is whole if all its blocks are there, with the end marker or without), is a JPEG that is arithmetic-coded,
/// lossless, hierarchical or of 12 bits, or claims more than 32,768 pixels a side or 1 GiB. A panic inside a
/// decoder is an error too, see [`is_decoding`]: one bad file must not end a run.
pub fn decode(path: &Path) -> Result<Decoded, String> {
    let decoded = read(path, |data| {
        let file = Encoded::open(data)?;
        let format = file.format();
        let Picture { width, height, rgb, faint, .. } = file.whole()?;
        Ok(Decoded { width, height, rgb, format, faint })
    });
    decoded.map_err(Failure::reason)
}

/// Reads the file at `path` and makes of its bytes what `decode` does.
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
    // always in this order, files before pixels: then no two can wait for each other
    let _share = FILES.take(meta.len());
    let data = std::fs::read(path).map_err(unreadable)?;
    guarded(|| decode(&data))
        .unwrap_or_else(|| Err("is damaged in a way that the decoder does not survive".into()))
        .map_err(Failure::Content)
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder, where a panic is caught and told as the reason why a file is skipped. A
/// panic hook that prints should keep quiet then.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// What `decode` gives; `None` if it panics.
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
