//! A reader of the `.pth` files that `torch.save` writes: a zip of a pickle and of raw tensor bytes.
//! Read this for the security model: no file can execute anything.
//!
//! A pickle is a program. Here it drives a machine that can only assemble numbers, texts, lists, dictionaries and
//! tensors, and that refuses every other name (see globals.rs). Claimed sizes are compared with the bytes that are
//! really there before anything of that size is allocated, and every loop and every nesting has a bound.
//!
//! This module knows nothing of files, of this program's models or of GPUs: bytes come in, named tensors go out, and an
//! error is a reason to which the caller adds the path.

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

/// A value, or a reason without the path why the file cannot be read.
pub type Result<T> = std::result::Result<T, String>;

/// Maximum size of a pickle: it holds names and sizes but no values, so a model of a thousand tensors takes about 100
/// kB.
const MAX_PICKLE: usize = 64 << 20;

/// Advice for a file that holds more than tensors.
const ADVICE: &str = "save it again with torch.save(model.state_dict(), path)";

/// First bytes of a `torch.save` pickle from before version 1.6: protocol 2 and a ten-byte number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Position of the signature of a tar archive, which the very first versions wrote.
const TAR: std::ops::Range<usize> = 257..262;

/// Reads the value that `torch.save` wrote, its tensors converted to f32.
///
/// # Errors
/// If the bytes are not such a file, are damaged, use anything but plain values and tensors, or claim more than they
/// hold.
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

/// Describes a file that does not begin like a zip.
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

/// A text from the file for a message: short, on one line and without terminal control characters.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}
