//! File systems with missing features, simulated by LD_PRELOAD libraries that make system calls fail.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{self, report};
use crate::{command, text};

/// Errors of file locks: ENOLCK (37) of NFS without its lock service, and ENOSYS (38), EACCES (13) or EIO (5)
/// elsewhere.
const NO_LOCKS: &str = "int flock(int a, int b) { errno = ERRNO; return -1; }";
/// Renames only files: EXDEV (18) of layered file systems, ENOSYS (38) and EPERM (1) of object stores.
const NO_FOLDER_RENAMES: &str = "int rename(const char *from, const char *to) {
    struct stat about;
    if (stat(from, &about) == 0 && S_ISDIR(about.st_mode)) { errno = ERRNO; return -1; }
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}";
/// Fails every sync: EINVAL (22) of special file systems, ENOSYS (38).
const NO_SYNC: &str = "int fsync(int file) { errno = ERRNO; return -1; }";

/// A library that makes calls fail with `errno`; `None` without a C compiler.
fn library(folder: &Path, code: &str, errno: i32) -> Option<PathBuf> {
    let (source, library) = (folder.join("shim.c"), folder.join(format!("shim_{errno}.so")));
    let head = "#define _GNU_SOURCE\n#include <errno.h>\n#include <fcntl.h>\n#include <sys/stat.h>\n\
                #include <sys/syscall.h>\n#include <unistd.h>\n";
    fs::write(&source, format!("{head}{}\n", code.replace("ERRNO", &errno.to_string()))).expect("written");
    let mut compiler = Command::new("cc");
    let built = compiler.args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).arg(&source).status();
    built.is_ok_and(|status| status.success()).then_some(library)
}

/// Trains with each of the errors: one epoch, and after resuming another. `check` receives the output of both.
fn trains_without(code: &str, errors: &[i32], check: impl Fn(&Path, &str)) {
    if common::adapter().is_none() {
        return;
    }
    for errno in errors {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let Some(library) = library(at, code, *errno) else {
            return report::left_out("file systems that refuse: there is no C compiler");
        };
        let under = |mut command: Command| -> Output {
            command.env("LD_PRELOAD", &library).output().expect("wgvae runs")
        };
        for args in [&["--epochs", "1"][..], &["--resume", "--epochs", "2"]] {
            let output = under(command(at, args));
            assert!(output.status.success(), "{errno}: {}", text(&output));
            check(at, &text(&output));
        }
        let model = at.join("runs/a/checkpoints/epoch_0002/model.safetensors");
        assert!(model.is_file(), "{errno}: there is no checkpoint of the second epoch");
    }
}

#[test]
fn without_locks_a_run_is_trained_and_that_is_named() {
    trains_without(NO_LOCKS, &[37, 38, 13, 5], |_, said| {
        assert!(said.contains("no lock for runs/a ("), "{said}");
    });
}

#[test]
fn without_renames_of_folders_checkpoints_are_written_file_by_file() {
    trains_without(NO_FOLDER_RENAMES, &[18, 38, 1], |at, said| {
        assert!(said.contains("folders cannot be renamed in runs/a/checkpoints"), "{said}");
        let left = fs::read_dir(at.join("runs/a/checkpoints")).expect("read").flatten();
        let hidden = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count();
        assert_eq!(hidden, 0, "something was left lying about");
    });
}

#[test]
fn without_syncing_a_run_is_trained() {
    trains_without(NO_SYNC, &[22, 38], |_, _| ());
}

/// A checkpoint interrupted while it was written file by file has no state.json: the previous one is used.
#[test]
fn a_checkpoint_that_was_cut_off_is_passed_over() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(command(at, &["--epochs", "2"]).output().expect("wgvae runs").status.success());
    fs::remove_file(at.join("runs/a/checkpoints/epoch_0002/state.json")).expect("removed");
    let output = command(at, &["--resume", "--epochs", "2"]).output().expect("wgvae runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("passed over"), "{}", text(&output));
    assert!(at.join("runs/a/checkpoints/epoch_0002/state.json").is_file());
}
