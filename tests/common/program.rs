//! Running the program, and what it says.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Decoded pictures are cached here, and never in the user's own folder.
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

/// `args` fail with `code`, and say all of `parts`, without a backtrace.
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
