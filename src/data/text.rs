//! Names and reasons as they may be shown.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file or folder that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it, as a phrase without the path.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.path), self.reason)
    }
}

/// `path` on one line and without power over the terminal: control characters (newlines, escapes) and
/// characters that change the direction of writing are spelled out, bytes that are no text become `\u{fffd}`.
pub fn printable(path: &Path) -> String {
    printable_text(&path.to_string_lossy())
}

pub(super) fn printable_text(text: &str) -> String {
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

/// The first few of `skipped`, one to a line, for the end of an error message.
pub(super) fn first_few(skipped: &[&Skipped]) -> String {
    let mut text = String::new();
    for one in skipped.iter().take(5) {
        text.push_str(&format!("\n  {one}"));
    }
    if skipped.len() > 5 {
        text.push_str(&format!("\n  and {} more", skipped.len() - 5));
    }
    text
}

/// "1 picture", "2 pictures".
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
