//! Text for messages: skipped files and counts.
//! Used by the errors and reports of this module and of commands.

use std::fmt;
use std::path::PathBuf;

pub use crate::error::printable;
pub(super) use crate::error::printable_text;

/// A file or folder that was skipped, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file or folder.
    pub path: PathBuf,
    /// The reason, as a phrase without the path.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.path), self.reason)
    }
}

/// The first few of `skipped`, one per line, for the end of an error message.
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

/// Reason why a picture of a folder with splits is skipped.
pub(super) const OUTSIDE: &str = "is outside the training, validation and test folders";
/// Maximum number of such pictures named one by one; beyond it only their count is given.
const MAX_OUTSIDE: usize = 10;

/// One line per skipped file; pictures outside the splits are summed up in one line if there are many.
pub fn named(skipped: &[Skipped]) -> Vec<String> {
    let outside = |entry: &&Skipped| entry.reason == OUTSIDE;
    let count = skipped.iter().filter(outside).count();
    let mut lines: Vec<String> = skipped
        .iter()
        .filter(|entry| count <= MAX_OUTSIDE || !outside(entry))
        .map(Skipped::to_string)
        .collect();
    if count > MAX_OUTSIDE {
        lines.push(format!("{count} pictures that are outside the training, validation and test folders"));
    }
    lines
}

/// "1 picture", "2 pictures".
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
