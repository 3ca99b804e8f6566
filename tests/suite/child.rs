//! Runs one test program: reads its lines as they come, enforces a time limit, and cleans up its processes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::report::{CHECKED, LEFT_OUT, NOTE, PROGRESS};

/// Polling interval while waiting for lines.
const TICK: Duration = Duration::from_millis(100);
/// Number of last lines kept for reporting a failure outside libtest.
const LAST_LINES: usize = 12;

/// Outcome of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// finished with all tests passed
    Passed,
    /// finished with failed tests
    Failed,
    /// exceeded the time limit
    Limit,
    /// ended abnormally: a crash, or no tests
    Broken(String),
    /// interrupted by the user
    Interrupted,
}

/// Output of a program so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// tests that it is going to run
    pub(crate) expected: BTreeSet<String>,
    pub(crate) passed: usize,
    pub(crate) failed: Vec<String>,
    /// number of comparisons by kind, in order of first occurrence
    pub(crate) checked: Vec<(String, usize)>,
    pub(crate) left_out: BTreeSet<String>,
    pub(crate) notes: BTreeSet<String>,
    /// progress of the test that reported last
    pub(crate) progress: String,
    /// libtest's section about failed tests
    pub(crate) failures: Vec<String>,
    /// last lines that are not part of any section
    pub(crate) last: Vec<String>,
}

impl Said {
    /// Processes a line of standard output (`out`) or standard error.
    fn take(&mut self, line: &str, out: bool) {
        if !out {
            if let Some(rest) = line.strip_prefix(PROGRESS) {
                rest.clone_into(&mut self.progress);
                return;
            }
            if let Some(rest) = line.strip_prefix(LEFT_OUT) {
                self.left_out.insert(rest.to_owned());
                return;
            }
            if let Some(rest) = line.strip_prefix(NOTE) {
                self.notes.insert(rest.to_owned());
                return;
            }
            let checked = line.strip_prefix(CHECKED).and_then(|rest| rest.split_once(' '));
            if let Some((count, what)) = checked.and_then(|(n, what)| Some((n.parse::<usize>().ok()?, what)))
            {
                match self.checked.iter_mut().find(|(known, _)| known == what) {
                    Some((_, sum)) => *sum += count,
                    None => self.checked.push((what.to_owned(), count)),
                }
                return;
            }
        }
        if out && (line == "failures:" || !self.failures.is_empty()) {
            self.failures.push(line.to_owned());
            return;
        }
        if let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            // libtest prints "ok", "FAILED", or "ignored" with a reason; should_panic tests have a suffix
            let name = name.split(" - should panic").next().unwrap_or(name);
            self.expected.remove(name);
            match verdict {
                "ok" => self.passed += 1,
                "FAILED" => self.failed.push(name.to_owned()),
                _ => drop(self.left_out.insert(format!("{name} is ignored"))),
            }
            return;
        }
        if !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test result:") {
            if self.last.len() == LAST_LINES {
                self.last.remove(0);
            }
            self.last.push(line.to_owned());
        }
    }

    /// Number of finished tests, passed or failed.
    pub(crate) fn done(&self) -> usize {
        self.passed + self.failed.len()
    }
}

/// Runs `command` until it ends, `limit` is reached or `interrupted` is set, and passes its output so far to `watch`
/// periodically. All processes started by the program are ended with it.
pub(crate) fn run(
    mut command: Command,
    expected: BTreeSet<String>,
    limit: Duration,
    interrupted: &AtomicBool,
    mut watch: impl FnMut(&Said),
) -> (End, Said) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut said = Said { expected, ..Said::default() };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (End::Broken(format!("cannot be started: {error}")), said),
    };
    let lines = lines(&mut child);
    let deadline = Instant::now() + limit;
    let mut ended = None;
    let end = loop {
        match lines.recv_timeout(TICK) {
            Ok((line, out)) => said.take(&line, out),
            // both streams are closed: no process is left
            Err(RecvTimeoutError::Disconnected) => break ended,
            // its child processes may hold its streams open, and must not outlive it
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break ended,
            Err(RecvTimeoutError::Timeout) => ended = child.try_wait().ok().flatten(),
        }
        watch(&said);
        if interrupted.load(Ordering::Relaxed) {
            kill(&mut child);
            return (End::Interrupted, said);
        }
        if Instant::now() > deadline {
            kill(&mut child);
            return (End::Limit, said);
        }
    };
    let status = end.map_or_else(|| child.wait(), Ok);
    kill(&mut child);
    let end = match status {
        Ok(status) if status.success() && said.failed.is_empty() => End::Passed,
        Ok(_) if !said.failed.is_empty() => End::Failed,
        Ok(status) => End::Broken(format!("ended with {status}")),
        Err(error) => End::Broken(error.to_string()),
    };
    (end, said)
}

/// Kills the child and its remaining processes.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        // the shell's built-in kill, because not every system has a kill program; dash's does not support `--`
        let script = format!("kill -KILL -{}", child.id());
        let mut command = Command::new("sh");
        let _ = command.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    #[cfg(windows)]
    {
        let id = child.id().to_string();
        let mut command = Command::new("taskkill");
        let _ = command.args(["/T", "/F", "/PID", &id]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Lines of both streams as they come, each with whether it is standard output.
fn lines(child: &mut Child) -> Receiver<(String, bool)> {
    fn follow(stream: Option<impl Read + Send + 'static>, out: bool, to: Sender<(String, bool)>) {
        let Some(stream) = stream else { return };
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line);
                if to.send((text.trim_end_matches(['\n', '\r']).to_owned(), out)).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    let (to, from) = mpsc::channel();
    follow(child.stdout.take(), true, to.clone());
    follow(child.stderr.take(), false, to);
    from
}
