//! Requests to end: by signals, by a terminal or a pipe that goes away. A training writes its checkpoint whatever has
//! become of those who read what it says.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{self, report};
use crate::{command, signal, text};

/// What a test waits for at most: the first step compiles its kernels.
const PATIENCE: Duration = Duration::from_secs(120);

/// A training that goes on until it is stopped, with no checkpoint before that.
fn endless(folder: &Path) -> Command {
    command(folder, &["--epochs", "1000000", "--checkpoint-every", "1000000", "--landscapes", "2000"])
}

/// The program and arguments of `command` as `"$0" "$@"` of a shell's script.
fn in_shell(shell: &str, script: &str, command: &Command, folder: &Path) -> Command {
    let mut shell = Command::new(shell);
    shell.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    shell.env("WGVAE_CACHE_DIR", folder.join("cache")).current_dir(folder).stdin(Stdio::null());
    shell
}

/// Waits until `is` holds.
fn wait(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the third step.
fn trains(folder: &Path) {
    let metrics = folder.join("runs/a/metrics.jsonl");
    wait("third step", || std::fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() >= 3));
}

/// Whether there is a checkpoint within the epoch, and it is whole.
fn stopped(folder: &Path) -> bool {
    let list = wgvae::checkpoint::list(&folder.join("runs/a/checkpoints"));
    let whole = list.map(|list| list.whole).unwrap_or_default();
    whole.iter().any(|(path, state)| path.to_string_lossy().contains("step_") && state.step >= 3)
}

fn ends_with_a_checkpoint(child: Child, folder: &Path, by: &str) {
    let output = child.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(130), "{by}: {}", text(&output));
    assert!(stopped(folder), "{by}: no checkpoint: {}", text(&output));
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Ctrl-C ends the whole pipeline, and what reads our lines is gone first.
#[test]
fn ctrl_c_under_tee_writes_the_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let mut pipeline = in_shell("sh", "\"$0\" \"$@\" 2>&1 | cat >log", &endless(at), at);
    let mut pipeline = pipeline.process_group(0).spawn().expect("sh runs");
    trains(at);
    signal(&pipeline, "INT", true);
    wait("checkpoint", || stopped(at));
    pipeline.wait().expect("a child");
}

/// A connection that breaks takes the terminal away: every line fails, and SIGHUP comes.
#[test]
fn a_terminal_that_goes_away_costs_no_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let inner = endless(at);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line.join(" "), "/dev/null"]).current_dir(at);
    terminal.env("WGVAE_CACHE_DIR", at.join("cache")).stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(mut terminal) = terminal.spawn() else {
        return report::left_out("a terminal that goes away: there is no program called script");
    };
    trains(at);
    terminal.kill().expect("killed");
    terminal.wait().expect("a child");
    wait("checkpoint", || stopped(at));
}

/// `nohup` lets a program ignore SIGHUP, and it has to stay so; what is not ignored ends it.
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let mut child = start(in_shell("sh", "trap '' HUP; exec \"$0\" \"$@\"", &endless(at), at));
    trains(at);
    signal(&child, "HUP", false);
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().expect("a child").is_none(), "SIGHUP has ended it");
    signal(&child, "INT", false);
    ends_with_a_checkpoint(child, at, "SIGINT");
}

/// TERM and HUP; and those by which batch systems say that a job's time is over.
#[test]
fn every_request_to_end_writes_a_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    for name in ["TERM", "HUP", "USR1", "USR2", "XCPU"] {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let child = start(endless(at));
        trains(at);
        signal(&child, name, false);
        ends_with_a_checkpoint(child, at, name);
    }
}

/// `timeout` signals its child, and then its group, in which the child is.
#[test]
fn two_signals_at_once_are_one_request() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let child = start(endless(at));
    trains(at);
    (0..3).for_each(|_| signal(&child, "TERM", false));
    ends_with_a_checkpoint(child, at, "three signals");
}

/// Linux's /dev/full takes nothing, as a full disk that holds the log.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_takes_nothing_ends_no_training() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut training = command(at, &["--epochs", "2"]);
    let status = training.stdout(full()).stderr(full()).status().expect("wgvae runs");
    assert!(status.success(), "{status}");
    assert!(at.join("runs/a/checkpoints/epoch_0002").is_dir());
    // elsewhere, where nothing is lost, it is said
    let mut adapters = Command::new(env!("CARGO_BIN_EXE_wgvae"));
    let output = adapters.arg("adapters").stdout(full()).stderr(Stdio::piped()).spawn().expect("wgvae runs");
    let output = output.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("error: cannot write to stdout: No space left"), "{}", text(&output));
}
