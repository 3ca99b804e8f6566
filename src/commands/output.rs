//! Output that must not end a training.
//!
//! `println!` panics if a line cannot be written, such as to a closed pipe, a closed terminal or a full disk. These functions
//! ignore that.

use std::io::Write;

/// Writes a line to standard output, if possible.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes a line to standard error, if possible.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
