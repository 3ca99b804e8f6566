//! Reports from a test to the suite: lines on standard error that libtest does not capture.
//!
//! libtest captures `print!` and `eprint!` until a test fails, but not direct writes to the stream.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Prefix of a line about a skipped test, with the reason.
pub(crate) const LEFT_OUT: &str = "LEFT OUT: ";
/// Prefix of a line about the comparisons of a test: their number, and their kind.
pub(crate) const CHECKED: &str = "CHECKED: ";
/// Prefix of a line to show below the group's result: a figure found by the test.
pub(crate) const NOTE: &str = "NOTE: ";
/// Prefix of a progress line of a long test: done, total, and kind of step.
pub(crate) const PROGRESS: &str = "PROGRESS: ";

fn say(kind: &str, text: &str) {
    // one write per line, so that lines of parallel tests do not mix; a closed stream is not a failure
    let line = format!("{kind}{}\n", text.replace('\n', " "));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Reports a skipped test and the reason.
pub(crate) fn left_out(what: &str) {
    say(LEFT_OUT, what);
}

/// Reports `count` comparisons of `what`.
pub(crate) fn checked(count: usize, what: &str) {
    say(CHECKED, &format!("{count} {what}"));
}

/// Reports a figure for readers of the run.
pub(crate) fn note(what: &str) {
    say(NOTE, what);
}

/// Counts the progress of a long test from any thread.
pub(crate) struct Progress {
    all: usize,
    what: &'static str,
    done: AtomicUsize,
}

impl Progress {
    /// Progress over `all` steps, each of them one of `what`.
    pub(crate) fn new(all: usize, what: &'static str) -> Self {
        Self { all, what, done: AtomicUsize::new(0) }
    }

    /// Counts one step.
    pub(crate) fn step(&self) {
        let done = 1 + self.done.fetch_add(1, Ordering::Relaxed);
        say(PROGRESS, &format!("{done}/{} {}", self.all, self.what));
    }
}
