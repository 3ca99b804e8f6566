//! Signals from users, terminals and batch systems that stop a training.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::output;

/// Exit code of a training that was stopped by a signal.
pub const STOPPED: u8 = 130;

/// Signals within this time after the first are one request: `timeout` signals its child and then its group, and a
/// closing terminal sends several.
const SAME_REQUEST: Duration = Duration::from_secs(2);

/// Requests of signals to a training. Clones share them.
#[derive(Clone, Default)]
pub struct Requested {
    /// to stop after its step, with a checkpoint
    pub stop: Arc<AtomicBool>,
    /// to write a checkpoint after its step, and to go on
    pub save: Arc<AtomicBool>,
    caught: Arc<AtomicBool>,
    /// advice of a training by several processes at a request to stop
    several: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl Requested {
    /// Whether to stop.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// For one of several processes: SIGUSR1 stops all, because a launcher passes it on and leaves time for a checkpoint. At
    /// a request to stop, `told` says what to know.
    pub fn of_several(&self, told: impl Fn() + Send + Sync + 'static) {
        let _ = self.several.set(Box::new(told));
    }

    /// Catches the signals from now on, if it does not do so already. Before this, they end the process.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn catch(&self) -> Result<()> {
        if self.caught.swap(true, Ordering::SeqCst) { Ok(()) } else { catch(self) }
    }
}

/// Requests to stop, by signal number.
struct Requests {
    requested: Requested,
    /// signals with the time of their first arrival
    seen: Vec<(i32, Instant)>,
}

impl Requests {
    fn new(requested: &Requested) -> Self {
        Self { requested: requested.clone(), seen: Vec::new() }
    }

    /// Handles a signal. The first one stops the training after its step. Returns whether to exit at once, at a second
    /// request: this signal came before, and `again` says that it may be repeated on purpose. A different signal is not a
    /// second request, because batch systems send a warning and later another signal before they kill.
    fn request(&mut self, signal: i32, again: bool, now: Instant) -> bool {
        if self.seen.is_empty() {
            self.requested.stop.store(true, Ordering::SeqCst);
            match self.requested.several.get() {
                Some(told) => told(),
                None => output::note("\nfinishing the step and writing a checkpoint; repeat to stop at once"),
            }
        }
        match self.seen.iter().find(|(seen, _)| *seen == signal) {
            Some((_, first)) => again && now.duration_since(*first) > SAME_REQUEST,
            None => {
                self.seen.push((signal, now));
                false
            }
        }
    }

    /// Handles a signal now, and exits if it has to.
    fn take(&mut self, signal: i32, again: bool) {
        if self.request(signal, again, Instant::now()) {
            std::process::exit(STOPPED.into());
        }
    }
}

/// Sets `stop` at a signal: Ctrl-C, the end of the session, and the warnings of batch systems before a job's time limit. Sets
/// `save` at SIGUSR1. A signal that was ignored at the start stays ignored, for `nohup`.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
fn catch(requested: &Requested) -> Result<()> {
    use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM};
    use signal_hook::iterator::Signals;
    /// This number is equal on Linux and macOS; signal-hook has no name for it.
    const SIGXCPU: i32 = 24;

    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let all = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF];
    let mut signals = Signals::new(all.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0))?;
    let mut requests = Requests::new(requested);
    let own = requested.clone();
    let take = move |signal| {
        if signal == SIGUSR1 && own.several.get().is_none() {
            own.save.store(true, Ordering::SeqCst);
            return;
        }
        // the system sends SIGXCPU every second, and terminals may send several SIGHUP
        requests.take(signal, [SIGINT, SIGTERM].contains(&signal));
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || signals.forever().for_each(take))?;
    Ok(())
}

/// The ignored signals from Linux's `/proc/self/status`, signal N as bit N - 1. 0 if the text has no such line.
#[cfg(unix)]
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Sets `stop` at one of Windows' console events: Ctrl-C, Ctrl-Break, or the end of the console, the session or the system,
/// which leave some seconds for the checkpoint.
#[cfg(windows)]
fn catch(requested: &Requested) -> Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let within = runtime.enter();
    let (mut c, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    drop(within);
    let mut requests = Requests::new(requested);
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

/// Makes writes beyond the file-size limit (`ulimit -f`) fail with an error, as on a full disk. By default the signal ends
/// the program without a message.
#[cfg(unix)]
pub fn say_file_limits() {
    /// This number is equal on Linux and macOS; signal-hook has no name for it.
    const SIGXFSZ: i32 = 25;
    // any handler will do: without one the signal ends the process
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Other systems have no such limit.
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
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR2};
        let requested = Requested::default();
        let mut requests = Requests::new(&requested);
        let began = Instant::now();
        let mut at = |seconds: f64, signal, again| {
            requests.request(signal, again, began + Duration::from_secs_f64(seconds))
        };
        // a batch system: a warning, then the end; and a wrapper that signals twice
        assert!(!at(0.0, SIGUSR2, false));
        assert!(requested.stops());
        assert!(!at(60.0, SIGTERM, true) && !at(60.5, SIGTERM, true));
        assert!(!at(63.0, SIGUSR2, false));
        // a person
        assert!(!at(70.0, SIGINT, true) && !at(71.5, SIGINT, true));
        assert!(at(72.5, SIGINT, true) && at(62.5, SIGTERM, true));
    }
}
