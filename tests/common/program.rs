//! Running the program, and checking its output.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Cache folder for decoded pictures, so that tests never use the user's own.
pub(crate) const CACHE: &str = "cache";

/// Runs the program in `folder`.
pub(crate) fn wgvae<A: AsRef<OsStr>>(folder: &Path, args: &[A]) -> Output {
    let program = env!("CARGO_BIN_EXE_wgvae");
    let mut command = Command::new(program);
    command.args(args).env("WGVAE_CACHE_DIR", folder.join(CACHE)).current_dir(folder);
    command.output().expect("wgvae runs")
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The standard output of the program, which must succeed.
pub(crate) fn said(folder: &Path, args: &[&str]) -> String {
    let output = wgvae(folder, args);
    assert!(output.status.success(), "wgvae {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard output and standard error of the program, which must succeed.
pub(crate) fn all_said(folder: &Path, args: &[&str]) -> String {
    let output = wgvae(folder, args);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "wgvae {args:?}: {said}");
    said
}

/// Checks that `args` fail with `code`, that the output contains all of `parts`, and that there is no backtrace.
pub(crate) fn refuses<A: AsRef<OsStr> + std::fmt::Debug>(
    folder: &Path,
    args: &[A],
    code: i32,
    parts: &[&str],
) {
    let output = wgvae(folder, args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "wgvae {args:?}: {error}");
    for part in parts {
        assert!(error.contains(part), "wgvae {args:?}: {part:?} is missing in: {error}");
    }
    assert!(!error.contains("panicked") && !error.contains("backtrace"), "wgvae {args:?}: {error}");
}
