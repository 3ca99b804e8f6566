//! Requests to end: signals, and a terminal or pipe that goes away. A training writes its checkpoint even if nobody
//! reads its output any more.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{self, report};
use crate::{command, signal, text};

/// Maximum waiting time of a test: the first step compiles the kernels.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command that resets the inherited signal dispositions: below `nohup` or in a shell's background some signals are
/// ignored. Empty if nothing must be reset, or if `env` cannot do it.
fn reset() -> &'static [&'static str] {
    const RESET: [&str; 2] = ["env", "--default-signal"];
    let probe = Command::new(RESET[0]).args([RESET[1], "true"]).stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) { &RESET } else { &[] }
}

/// `words` as a command in `folder`, with reset signals.
fn run_in<'a>(folder: &Path, words: impl IntoIterator<Item = &'a OsStr>) -> Command {
    let mut words = reset().iter().map(|word| OsStr::new(*word)).chain(words).map(OsStr::to_owned);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).env("WGVAE_CACHE_DIR", folder.join("cache")).current_dir(folder);
    command.stdin(Stdio::null());
    command
}

/// Program and arguments of a long training without checkpoints within an epoch, unless it is stopped.
fn long(folder: &Path) -> Vec<OsString> {
    let command =
        command(folder, &["--epochs", "500", "--checkpoint-every", "1000000", "--landscapes", "2000"]);
    std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_owned).collect()
}

/// The long training in a shell `script`, which refers to it as `"$0" "$@"`.
fn in_shell(script: &str, folder: &Path) -> Command {
    let training = long(folder);
    let shell = ["sh", "-c", script].map(OsStr::new);
    run_in(folder, shell.into_iter().chain(training.iter().map(OsString::as_os_str)))
}

fn start_long(folder: &Path) -> Child {
    let training = long(folder);
    start(run_in(folder, training.iter().map(OsString::as_os_str)))
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
    wait("third step", || {
        std::fs::read_to_string(&metrics).is_ok_and(|text| text.matches("\"kind\":\"step\"").count() >= 3)
    });
}

/// Whether there is a complete checkpoint within the epoch.
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

/// Ctrl-C ends the whole pipeline, and the reader of our output ends first.
#[test]
fn ctrl_c_under_tee_writes_the_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let mut pipeline = in_shell("\"$0\" \"$@\" 2>&1 | cat >log", at);
    let mut pipeline = pipeline.process_group(0).spawn().expect("sh runs");
    trains(at);
    signal(&pipeline, "INT", true);
    wait("checkpoint", || stopped(at));
    pipeline.wait().expect("a child");
}

/// A broken connection takes the terminal away: all writes fail, and SIGHUP arrives.
#[test]
fn a_terminal_that_goes_away_costs_no_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let training = long(at);
    let line: Vec<String> = training.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let line = line.join(" ");
    let mut terminal = run_in(at, ["script", "-qec", &line, "/dev/null"].map(OsStr::new));
    terminal.stdout(Stdio::null()).stderr(Stdio::null());
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        return report::left_out("a terminal that goes away: there is no program called script");
    }
    let mut terminal = terminal.spawn().expect("script runs");
    trains(at);
    terminal.kill().expect("killed");
    terminal.wait().expect("a child");
    wait("checkpoint", || stopped(at));
}

/// `nohup` makes a program ignore SIGHUP, which must not change; other signals end it.
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let mut child = start(in_shell("trap '' HUP; exec \"$0\" \"$@\"", at));
    trains(at);
    signal(&child, "HUP", false);
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().expect("a child").is_none(), "SIGHUP has ended it");
    signal(&child, "INT", false);
    ends_with_a_checkpoint(child, at, "SIGINT");
}

/// TERM and HUP, and the signals with which batch systems announce the end of a job's time.
#[test]
fn every_request_to_end_writes_a_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    for name in ["TERM", "HUP", "USR2", "XCPU"] {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let child = start_long(at);
        trains(at);
        signal(&child, name, false);
        ends_with_a_checkpoint(child, at, name);
    }
}

/// USR1 asks for a checkpoint, as batch systems send it some time before the end of a job, and the training goes on.
#[test]
fn a_signal_writes_a_checkpoint_and_the_training_goes_on() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let mut child = start_long(at);
    trains(at);
    signal(&child, "USR1", false);
    wait("checkpoint", || stopped(at));
    let newest = || {
        let list = wgvae::checkpoint::list(&at.join("runs/a/checkpoints"));
        list.ok().and_then(|mut list| list.whole.pop()).map_or(0, |(_, state)| state.step)
    };
    let first = newest();
    let lines = || std::fs::read_to_string(at.join("runs/a/metrics.jsonl")).expect("metrics").lines().count();
    let before = lines();
    wait("further steps", || lines() > before + 2);
    signal(&child, "USR1", false);
    wait("second checkpoint", || newest() > first);
    assert!(child.try_wait().expect("a child").is_none(), "SIGUSR1 has ended it");
    signal(&child, "INT", false);
    let output = child.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains(", as asked by a signal"), "{}", text(&output));
}

/// `timeout` signals its child, and then its process group, which includes the child.
#[test]
fn two_signals_at_once_are_one_request() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let child = start_long(at);
    trains(at);
    (0..3).for_each(|_| signal(&child, "TERM", false));
    ends_with_a_checkpoint(child, at, "three signals");
}

/// Linux's /dev/full refuses all writes, like a full disk that holds the log.
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
    // commands that lose their output report the error
    let mut adapters = Command::new(env!("CARGO_BIN_EXE_wgvae"));
    let output = adapters.arg("adapters").stdout(full()).stderr(Stdio::piped()).spawn().expect("wgvae runs");
    let output = output.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("error: cannot write to stdout: No space left"), "{}", text(&output));
}

/// A batch system's warning, and the end of the job some seconds later, during a step.
#[test]
fn the_end_after_a_warning_waits_for_the_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    // a step that takes some seconds
    let slow = ["--size", "128", "--hidden", "32", "--batch-size", "64", "--landscapes", "128", "--no-tune"];
    let mut words = vec![OsString::from(env!("CARGO_BIN_EXE_wgvae")), "train".into()];
    words.extend(slow.iter().chain(&["--epochs", "50", "--latent", "8", "--name", "a"]).map(OsString::from));
    let child = start(run_in(at, words.iter().map(OsString::as_os_str)));
    trains(at);
    signal(&child, "USR1", false);
    std::thread::sleep(Duration::from_millis(2500));
    signal(&child, "TERM", false);
    ends_with_a_checkpoint(child, at, "USR1 and TERM");
}
