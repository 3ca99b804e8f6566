//! Names and reasons as they may be shown.

use std::fmt;
use std::path::PathBuf;

pub use crate::error::printable;
pub(super) use crate::error::printable_text;

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
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
