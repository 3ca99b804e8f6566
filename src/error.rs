//! Errors of the outside world: adapters, files, settings. Read this before wording a new error.
//!
//! Every message says what happened, to what, and what to do about it. Programming mistakes
//! (a wrong shape between two ops) are asserts, not errors.

use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the outside world, worded for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An invalid setting: ends the program with exit code 2.
    #[error("{0}")]
    Usage(String),
    /// No adapter, or none that matches the request.
    #[error("{0}")]
    Adapter(String),
    /// A tensor or arena is larger than the adapter allows.
    #[error("{what} needs {needed} bytes, but {adapter} allows {limit} ({name}): {hint}")]
    Limit {
        /// name of the tensor or arena
        what: String,
        /// its size in bytes
        needed: u64,
        /// name of the adapter
        adapter: String,
        /// limit in bytes
        limit: u64,
        /// WebGPU name of the limit
        name: &'static str,
        /// advice on what to reduce
        hint: String,
    },
    /// The device was lost, ran out of memory, or refused a kernel.
    #[error("{0}")]
    Device(String),
    /// The loss is not finite.
    #[error("{0}")]
    Diverged(String),
    /// The training pictures cannot be used.
    #[error("{}: {}", printable(path), printable_lines(reason))]
    Data {
        /// folder or file
        path: PathBuf,
        /// problem and advice
        reason: String,
    },
    /// A model or checkpoint that cannot be read.
    #[error("{}: {}", printable(path), printable_lines(reason))]
    Model {
        /// file or folder
        path: PathBuf,
        /// problem and advice
        reason: String,
    },
    /// An operation of the operating system failed.
    #[error("cannot {action} {}: {source}", printable(path))]
    Io {
        /// verb: "read", "write", "create"
        action: &'static str,
        /// file or folder
        path: PathBuf,
        /// reason from the operating system
        source: std::io::Error,
    },
}

impl Error {
    /// An [`Error::Data`] for `path`.
    pub fn data(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// An [`Error::Model`] for `path`.
    pub fn model(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Model { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// Converts an I/O error into one that names the path: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Exit code: 2 for a mistake in the command, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

/// `text` with its line breaks, but other control characters escaped: reasons may quote the content of files.
fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable_text).collect::<Vec<_>>().join("\n")
}

/// `path` on one line, safe for terminals: control characters (newlines, escapes) and characters that change the
/// direction of writing are escaped, invalid text becomes `\u{fffd}`.
pub fn printable(path: &Path) -> String {
    printable_text(&path.to_string_lossy())
}

/// A name or any other text on one line, escaped as by [`printable`].
pub fn printable_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns || c == char::REPLACEMENT_CHARACTER {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
