//! Reads the `.pth` files that `torch.save` writes: a zip of a pickle and of tensors' raw bytes.
//!
//! Nothing in a file is ever run. A pickle is a program; here it drives a machine that can only put
//! together numbers, texts, lists, dictionaries and tensors, and that refuses every other name
//! (see globals.rs). What a file claims about sizes is compared with the bytes that it really has
//! before anything of that size is made, and every loop and every nesting has a bound.
//!
//! This module knows nothing of files, models of this program or graphics cards: bytes come in,
//! named tensors go out, and an error is a reason to which the caller adds the path.

mod adam;
mod archive;
mod build;
mod globals;
mod machine;
mod storage;
mod stream;
mod training;
mod value;

pub use adam::{Adam, Settings};
pub use training::{Training, training};
pub use value::{Key, Tensor, Value};

/// A reason why a file cannot be read, without its path.
pub type Result<T> = std::result::Result<T, String>;

/// Largest pickle: it holds names and sizes, never values, so a model of a thousand tensors takes
/// about 100 kB.
const MAX_PICKLE: usize = 64 << 20;

/// What to do about every file that holds more than tensors.
const ADVICE: &str = "save it again with torch.save(model.state_dict(), path)";

/// How a pickle of `torch.save` from before version 1.6 begins: protocol 2 and a ten-byte number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Where a tape archive says that it is one, which the very first versions wrote.
const TAR: std::ops::Range<usize> = 257..262;

/// Reads the value that `torch.save` wrote, its tensors converted to f32.
///
/// # Errors
/// If the bytes are no such file, are damaged, ask for anything but plain values and tensors, or
/// claim more than they hold.
pub fn read(bytes: &[u8]) -> Result<Value<'_>> {
    if !bytes.starts_with(b"PK") {
        return Err(not_a_zip(bytes));
    }
    let archive = archive::Archive::open(bytes)?;
    if archive.entry("constants.pkl").is_some() || archive.has_folder("code/") {
        return Err(format!("is a TorchScript archive, a program; {ADVICE}"));
    }
    if archive.entry("data.pkl").is_none() {
        return Err("is a zip file, but not of torch.save: it has no data.pkl".to_owned());
    }
    archive.check()?;
    match archive.bytes("byteorder") {
        None | Some(b"little") => {}
        Some(b"big") => return Err("holds big-endian numbers; only little-endian files are read".to_owned()),
        Some(other) => {
            let order = String::from_utf8_lossy(other);
            return Err(format!("has an unknown byte order ({})", shown(&order)));
        }
    }
    let pickle = archive.bytes("data.pkl").unwrap_or_default();
    if pickle.len() > MAX_PICKLE {
        return Err(format!(
            "its data.pkl has {} bytes, more than the {MAX_PICKLE} that are read",
            pickle.len()
        ));
    }
    value::convert(&machine::run(pickle, &archive)?, bytes.len())
}

/// Says what a file is that has no zip's beginning.
fn not_a_zip(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "is empty".to_owned();
    }
    if bytes.starts_with(LEGACY) || bytes.get(TAR) == Some(b"ustar") {
        return format!("is a legacy file of torch.save (of PyTorch before 1.6); {ADVICE}");
    }
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return format!("is a bare pickle, not a file of torch.save; {ADVICE}");
    }
    "is not a file of torch.save: it does not begin as a zip file".to_owned()
}

/// A text from the file for a message: short, on one line and without power over a terminal.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}
