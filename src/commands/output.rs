//! Lines for people who may have gone: a training must not end because nobody reads what it says.
//!
//! `println!` panics where a line cannot be written: a closed pipe, a terminal that is gone, a full disk. These do not.

use std::io::Write;

/// Writes a line to standard output, if it takes one.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes a line to standard error, if it takes one.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
