//! A reader of the files that `torch.save` writes: a zip of a pickle and of raw tensor bytes, or the legacy layout.
//! Read this for the security model: no file can execute anything.
//!
//! A pickle is a program. Here it drives a machine that can only assemble numbers, texts, lists, dictionaries and
//! tensors. Of everything else it keeps the name of its class and nothing more (see globals.rs). Such a value is
//! allowed beside a model, and is an error that names it where a tensor or a number is needed. Claimed sizes are compared
//! with the bytes that are really there before anything of that size is allocated, and every loop and every nesting has
//! a bound.
//!
//! This module knows nothing of files, of this program's models or of GPUs: bytes come in, named tensors go out, and an
//! error is a reason to which the caller adds the path.

mod adam;
mod archive;
mod build;
mod calls;
mod flat;
mod globals;
mod items;
mod legacy;
mod machine;
mod numpy;
mod storage;
mod stream;
mod training;
mod value;

use super::naming::ADVICE;
pub use adam::{Adam, Settings};
pub use globals::Opaque;
pub use training::{Training, training};
pub use value::{Key, Tensor, Value};

/// A value, or a reason without the path why the file cannot be read.
pub type Result<T> = std::result::Result<T, String>;

/// Maximum size of a pickle: it holds names and sizes but no values, so a model of a thousand tensors takes about 100
/// kB.
const MAX_PICKLE: usize = 64 << 20;

/// Position of the signature of a tar archive, which the very first versions wrote.
const TAR: std::ops::Range<usize> = 257..262;

/// Reads the value that `torch.save` wrote, its tensors converted to f32.
///
/// # Errors
/// If the bytes are not such a file, are damaged, or claim more than they hold.
pub fn read(bytes: &[u8]) -> Result<Value<'_>> {
    if legacy::is_legacy(bytes) {
        return value::convert(&legacy::read(bytes)?, bytes.len());
    }
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
    let mut stream = stream::Stream::new(pickle);
    value::convert(&machine::run(&mut stream, machine::Source::Archive(&archive))?, bytes.len())
}

/// Whether a file is of torch.save, or looks enough like one that [`read`] has the better message.
pub fn is_torch(bytes: &[u8]) -> bool {
    // a safetensors file has the length of its header first, which may look like a pickle, and then the header's brace
    let pickle = matches!(bytes, [0x80, 2..=5, ..]) && bytes.get(8) != Some(&b'{');
    bytes.starts_with(b"PK") || pickle || legacy::is_legacy(bytes) || is_tar(bytes)
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(TAR) == Some(b"ustar")
}

/// Describes a file that does not begin like a zip.
fn not_a_zip(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "is empty".to_owned();
    }
    if is_tar(bytes) {
        return format!("is a tar archive, as PyTorch before 0.1.10 wrote them; {ADVICE}");
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
