//! File systems that have less than a training would like.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{self, report};
use crate::{command, text};

/// A library that makes `flock` fail with `errno`, for LD_PRELOAD; none where there is no C compiler.
fn without_locks(folder: &std::path::Path, errno: i32) -> Option<PathBuf> {
    let (source, library) = (folder.join("flock.c"), folder.join(format!("flock_{errno}.so")));
    let code = format!("#include <errno.h>\nint flock(int a, int b) {{ errno = {errno}; return -1; }}\n");
    std::fs::write(&source, code).expect("written");
    let mut compiler = Command::new("cc");
    let built = compiler.args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).arg(&source).status();
    built.is_ok_and(|status| status.success()).then_some(library)
}

/// NFS without its lock service says ENOLCK (37), others ENOSYS (38) or EACCES (13).
#[cfg(target_os = "linux")]
#[test]
fn a_file_system_without_locks_is_trained_on_and_named() {
    if common::adapter().is_none() {
        return;
    }
    for errno in [37, 38, 13] {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let Some(library) = without_locks(at, errno) else {
            return report::left_out("a file system without locks: there is no C compiler");
        };
        let mut training = command(at, &["--epochs", "1"]);
        let output = training.env("LD_PRELOAD", &library).output().expect("wgvae runs");
        assert!(output.status.success(), "{errno}: {}", text(&output));
        assert!(text(&output).contains("no lock for runs/a ("), "{errno}: {}", text(&output));
        let mut resumed = command(at, &["--resume", "--epochs", "2"]);
        let output = resumed.env("LD_PRELOAD", &library).output().expect("wgvae runs");
        assert!(output.status.success(), "{errno}: {}", text(&output));
        assert!(text(&output).contains("no lock for runs/a ("), "{errno}: {}", text(&output));
    }
}
