//! How a test tells the suite what it did: lines on standard error that libtest does not capture.
//!
//! `print!` and `eprint!` are captured until a test fails; what is written to the stream itself is not.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Begins a line that says what was not tested, and why.
pub(crate) const LEFT_OUT: &str = "LEFT OUT: ";
/// Begins a line that says how many comparisons a test has made: a number, and what they are.
pub(crate) const CHECKED: &str = "CHECKED: ";
/// Begins a line to show below the group's: a figure that the test has found.
pub(crate) const NOTE: &str = "NOTE: ";
/// Begins a line that says how far a long test is: done, of how many, and what.
pub(crate) const PROGRESS: &str = "PROGRESS: ";

fn say(kind: &str, text: &str) {
    // one write for each line, so that lines of parallel tests do not mix; a closed stream is no failure
    let line = format!("{kind}{}\n", text.replace('\n', " "));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Reports that something is not tested, and why.
pub(crate) fn left_out(what: &str) {
    say(LEFT_OUT, what);
}

/// Reports `count` comparisons of `what`.
pub(crate) fn checked(count: usize, what: &str) {
    say(CHECKED, &format!("{count} {what}"));
}

/// Reports a figure that readers of the run should see.
pub(crate) fn note(what: &str) {
    say(NOTE, what);
}

/// Counts a long test's way from any thread.
pub(crate) struct Progress {
    all: usize,
    what: &'static str,
    done: AtomicUsize,
}

impl Progress {
    /// Of `all` steps, each of them one of `what`.
    pub(crate) fn new(all: usize, what: &'static str) -> Self {
        Self { all, what, done: AtomicUsize::new(0) }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        let done = 1 + self.done.fetch_add(1, Ordering::Relaxed);
        say(PROGRESS, &format!("{done}/{} {}", self.all, self.what));
    }
}
