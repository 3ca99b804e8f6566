//! The suite that runs the groups: it counts, it waits no longer than it may, and it leaves nothing behind.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::report;

#[path = "../suite/child.rs"]
mod child;

use child::{End, Said};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

/// Runs a shell's `script` in `folder` as if it were a program with the tests `a` and `b`.
fn run(folder: &Path, script: &str, limit: Duration) -> (End, Said) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    let expected: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
    child::run(command, expected, limit, &AtomicBool::new(false), |_| ())
}

#[test]
fn what_a_program_says_is_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let script = "echo 'running 2 tests'; echo 'CHECKED: 3 outputs' >&2; echo 'test a ... ok'; \
        echo 'CHECKED: 4 outputs' >&2; echo 'LEFT OUT: no textures' >&2; echo 'NOTE: 7' >&2; \
        echo 'test b - should panic ... ok'; echo 'test result: ok.'";
    let (end, said) = run(folder.path(), script, LONG);
    assert_eq!((end, said.done(), said.expected.len()), (End::Passed, 2, 0), "{said:?}");
    assert_eq!(said.checked, [("outputs".to_owned(), 7)]);
    assert!(said.left_out.contains("no textures") && said.notes.contains("7"), "{said:?}");
}

#[test]
fn a_failure_is_kept_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let script = "echo 'test a ... FAILED'; echo 'test b ... ok'; echo; echo 'failures:'; echo; \
        echo '---- a stdout ----'; echo 'left: 1'; exit 101";
    let (end, said) = run(folder.path(), script, LONG);
    assert_eq!((end, said.passed, said.failed.as_slice()), (End::Failed, 1, &["a".to_owned()][..]));
    assert!(said.failures.contains(&"left: 1".to_owned()), "{said:?}");
    // libtest's own words without its exit code, and the other way round, are no success either
    assert_eq!(run(folder.path(), "echo 'test a ... FAILED'", LONG).0, End::Failed);
    let (end, said) = run(folder.path(), "echo 'test a ... ok'; echo 'a last word'; kill -SEGV $$", LONG);
    assert!(matches!(&end, End::Broken(how) if how.contains("signal: 11")), "{end:?}");
    assert_eq!((said.last.as_slice(), said.expected.len()), (&["a last word".to_owned()][..], 1));
    let gone = Command::new(folder.path().join("gone"));
    let (end, _) = child::run(gone, BTreeSet::new(), LONG, &AtomicBool::new(false), |_| ());
    assert!(matches!(&end, End::Broken(how) if how.contains("cannot be started")), "{end:?}");
}

/// The program that it has started would create a file, if it were not ended too.
#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().expect("folder");
    let left = folder.path().join("left");
    let script = "(sleep 2; touch left) & echo 'test a ... ok'; echo 'PROGRESS: 3/9 cases' >&2; sleep 60";
    let (end, said) = run(folder.path(), script, SHORT);
    assert_eq!((end, said.progress.as_str()), (End::Limit, "3/9 cases"));
    assert_eq!(said.expected.into_iter().collect::<Vec<_>>(), ["b"], "the test that has not ended");
    // one that ends by itself may not leave anything either, nor is it waited for
    let (end, _) = run(folder.path(), "(sleep 2; touch left) & echo 'test a ... ok'", LONG);
    assert_eq!(end, End::Passed);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!left.exists(), "a process has outlived its test program");
}

#[test]
fn an_interruption_ends_a_program() {
    let folder = tempfile::tempdir().expect("folder");
    let interrupted = AtomicBool::new(false);
    let mut command = Command::new("sh");
    command.args(["-c", "echo 'test a ... ok'; sleep 60"]).current_dir(folder.path());
    let watch = |said: &Said| interrupted.store(said.passed == 1, Ordering::Relaxed);
    let (end, said) = child::run(command, BTreeSet::new(), LONG, &interrupted, watch);
    assert_eq!((end, said.passed), (End::Interrupted, 1));
}
