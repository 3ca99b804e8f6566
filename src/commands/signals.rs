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

/// Takes in requests to end.
struct Requests {
    stop: Arc<AtomicBool>,
    first: Option<Instant>,
}

impl Requests {
    /// The first request ends the training after its step, a later one at once.
    fn request(&mut self) {
        let first = *self.first.get_or_insert_with(|| {
            self.stop.store(true, Ordering::SeqCst);
            output::note("\nfinishing the step and writing a checkpoint; once more to stop at once");
            Instant::now()
        });
        if first.elapsed() > SAME_REQUEST {
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
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    /// The same number on Linux and macOS; signal-hook has no name for it.
    const SIGXCPU: i32 = 24;

    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let all = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU];
    let mut signals = Signals::new(all.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0))?;
    let mut requests = Requests { stop: stop.clone(), first: None };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(|_| requests.request()))?;
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
    let mut requests = Requests { stop: stop.clone(), first: None };
    let heard = async move {
        loop {
            tokio::select! {
                _ = c.recv() => {}
                _ = pause.recv() => {}
                _ = close.recv() => {}
                _ = logoff.recv() => {}
                _ = shutdown.recv() => {}
            }
            requests.request();
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(heard))?;
    Ok(())
}

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
    fn requests_that_come_together_are_one() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut requests = Requests { stop: stop.clone(), first: None };
        requests.request();
        assert!(stop.load(Ordering::SeqCst));
        requests.request(); // or the test would have ended here
        assert!(requests.first.is_some_and(|first| first.elapsed() < SAME_REQUEST));
    }
}
