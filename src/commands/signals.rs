//! Signals by which users, terminals and batch systems ask a training to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::output;

/// Exit code of a training that was stopped by a signal.
pub const STOPPED: u8 = 130;

/// Signals that come this soon after the first are the same request: `timeout` signals its child and then its group,
/// and a terminal that closes sends more than one.
const SAME_REQUEST: Duration = Duration::from_secs(2);

/// Takes in requests to end, by their signals' numbers.
struct Requests {
    stop: Arc<AtomicBool>,
    /// signals, and when each came first
    seen: Vec<(i32, Instant)>,
}

impl Requests {
    fn new(stop: &Arc<AtomicBool>) -> Self {
        Self { stop: stop.clone(), seen: Vec::new() }
    }

    /// The first request ends the training after its step. Returns whether it is to end at once: when somebody asks a
    /// second time, `again` being whether this signal can mean that. Another signal is no second request: batch systems
    /// announce the end by one and come with another before they kill, some time later.
    fn request(&mut self, signal: i32, again: bool, now: Instant) -> bool {
        if self.seen.is_empty() {
            self.stop.store(true, Ordering::SeqCst);
            output::note("\nfinishing the step and writing a checkpoint; once more to stop at once");
        }
        match self.seen.iter().find(|(seen, _)| *seen == signal) {
            Some((_, first)) => again && now.duration_since(*first) > SAME_REQUEST,
            None => {
                self.seen.push((signal, now));
                false
            }
        }
    }

    /// The same now, and where it has to end at once, it does.
    fn take(&mut self, signal: i32, again: bool) {
        if self.request(signal, again, Instant::now()) {
            std::process::exit(STOPPED.into());
        }
    }
}

/// Sets `stop` when a signal asks for the end: Ctrl-C, the end of the session, and those by which batch systems announce
/// the end of a job's time. A signal that was ignored when the program began stays ignored, as `nohup` wants it.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub fn catch(stop: &Arc<AtomicBool>) -> Result<()> {
    use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM};
    use signal_hook::iterator::Signals;
    /// The same number on Linux and macOS; signal-hook has no name for it.
    const SIGXCPU: i32 = 24;

    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let all = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF];
    let mut signals = Signals::new(all.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0))?;
    let mut requests = Requests::new(stop);
    // the system sends SIGXCPU every second, terminals SIGHUP as often as they like
    let take = move |signal| requests.take(signal, [SIGINT, SIGTERM].contains(&signal));
    std::thread::Builder::new().name("signals".into()).spawn(move || signals.forever().for_each(take))?;
    Ok(())
}

/// The signals that Linux's `/proc/self/status` names as ignored, signal N as bit N - 1; none where it does not say.
#[cfg(unix)]
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The same by Windows' console events: Ctrl-C and Ctrl-Break, and the ends of the console, the session and the system,
/// which leave some seconds for the checkpoint.
#[cfg(windows)]
pub fn catch(stop: &Arc<AtomicBool>) -> Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let within = runtime.enter();
    let (mut c, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    drop(within);
    let mut requests = Requests::new(stop);
    let heard = async move {
        loop {
            let (event, again) = tokio::select! {
                _ = c.recv() => (0, true),
                _ = pause.recv() => (1, true),
                _ = close.recv() => (2, false),
                _ = logoff.recv() => (3, false),
                _ = shutdown.recv() => (4, false),
            };
            requests.take(event, again);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(heard))?;
    Ok(())
}

/// Lets writes beyond the limit on the size of files (`ulimit -f`) fail with an error, as those to a full disk do, instead of
/// ending the program without a word.
#[cfg(unix)]
pub fn say_file_limits() {
    /// The same number on Linux and macOS; signal-hook has no name for it.
    const SIGXFSZ: i32 = 25;
    // a handler that does nothing of note: without one the signal kills
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// There is no such limit elsewhere.
#[cfg(not(unix))]
pub fn say_file_limits() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        // SIGHUP is 1, SIGINT 2, SIGPIPE 13
        assert_eq!(ignored("Name:\twgvae\nSigIgn:\t0000000000001001\nSigCgt:\t0"), 1 | 1 << 12);
        assert_eq!(ignored("Name:\twgvae\n"), 0);
        assert_eq!(ignored("SigIgn:\tnonsense"), 0);
    }

    #[test]
    fn a_second_request_is_the_same_signal_later() {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        let stop = Arc::new(AtomicBool::new(false));
        let mut requests = Requests::new(&stop);
        let began = Instant::now();
        let mut at = |seconds: f64, signal, again| {
            requests.request(signal, again, began + Duration::from_secs_f64(seconds))
        };
        // a batch system: a warning, then the end; and a wrapper that signals twice
        assert!(!at(0.0, SIGUSR1, false));
        assert!(stop.load(Ordering::SeqCst));
        assert!(!at(60.0, SIGTERM, true) && !at(60.5, SIGTERM, true));
        assert!(!at(63.0, SIGUSR1, false));
        // a person
        assert!(!at(70.0, SIGINT, true) && !at(71.5, SIGINT, true));
        assert!(at(72.5, SIGINT, true) && at(62.5, SIGTERM, true));
    }
}
