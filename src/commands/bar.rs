//! How one piece of work shows how far it is: a bar on a terminal, elsewhere a plain line every few seconds.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::terminal::duration;

/// Time between two plain lines.
pub(super) const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Time between two drawings of a bar that does not move.
const TICK: Duration = Duration::from_millis(500);
/// While it is not known how much there is to do.
const UNKNOWN: &str = "{prefix}: {elapsed}";
/// Afterwards.
const KNOWN: &str = "{prefix} [{bar:30}] {pos}/{len}, {eta} left";

/// Whether bars can be drawn: whether standard error is a terminal that can move its cursor.
pub(super) fn is_drawn() -> bool {
    !ProgressDrawTarget::stderr().is_hidden()
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// What is being done, how much of it is done, and of how much.
type Stand = Arc<Mutex<(&'static str, usize, usize)>>;

/// A bar for one piece of work.
pub struct Bar {
    bar: ProgressBar,
    stand: Stand,
    plain: Option<Plain>,
}

impl Bar {
    /// A bar with a word before it, whose plain lines go to standard error, because results go to standard output.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        Self::with(what, quiet, !is_drawn(), output::note)
    }

    /// The same for `train`, whose standard output is its log.
    pub fn logged(what: &'static str, quiet: bool) -> Self {
        use std::io::IsTerminal as _;
        Self::with(what, quiet, !is_drawn() || !std::io::stdout().is_terminal(), output::line)
    }

    fn with(what: &'static str, quiet: bool, plain: bool, say: fn(&str)) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        bar.set_style(style(UNKNOWN));
        bar.set_prefix(what);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        let stand: Stand = Arc::new(Mutex::new((what, 0, 0)));
        let plain = (plain && !quiet).then(|| Plain::start(stand.clone(), PLAIN_EVERY, say));
        Self { bar, stand, plain }
    }

    /// So many of so many.
    pub fn set(&self, done: usize, all: usize) {
        let what = self.stand.lock().unwrap_or_else(PoisonError::into_inner).0;
        self.step(what, done, all);
    }

    /// The same of some part of the work; of how much is not known where `all` is 0.
    pub fn step(&self, what: &'static str, done: usize, all: usize) {
        let before = {
            let mut stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *stand, (what, done, all))
        };
        if before.0 != what {
            self.bar.set_prefix(what);
            self.bar.reset_eta();
        }
        if (before.2 == 0) != (all == 0) {
            self.bar.set_style(style(if all == 0 { UNKNOWN } else { KNOWN }));
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Takes the bar off the screen, and says no more.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
        if let Some(plain) = &self.plain {
            let _ = plain.end.send(()); // it has ended already, then
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The thread that says a line now and then, whether or not anything has moved.
struct Plain {
    end: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Plain {
    fn start(stand: Stand, every: Duration, say: fn(&str)) -> Self {
        let (end, ended) = mpsc::channel();
        let work = move || {
            let began = Instant::now();
            while ended.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                let (what, done, all) = *stand.lock().unwrap_or_else(PoisonError::into_inner);
                let time = duration(began.elapsed().as_secs_f64());
                say(&if all == 0 {
                    format!("{what}: {time}")
                } else {
                    format!("{what}: {done} of {all}, {time}")
                });
            }
        };
        // without the thread there are no lines, and that is all
        let thread = std::thread::Builder::new().name("progress".into()).spawn(work).ok();
        Self { end, thread }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.end.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a line that could not be said
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn plain_lines_come_whether_or_not_anything_moves() {
        let stand: Stand = Arc::new(Mutex::new(("decoding", 0, 0)));
        let said = || SAID.lock().expect("lines").clone();
        let wait_for = |part: &str| {
            let began = Instant::now();
            while !said().iter().any(|line| line.starts_with(part)) {
                assert!(began.elapsed() < Duration::from_secs(20), "{part:?} is missing in {:?}", said());
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let every = Duration::from_millis(2);
        let plain =
            Plain::start(stand.clone(), every, |line| SAID.lock().expect("lines").push(line.to_owned()));
        wait_for("decoding: 0.0 s");
        *stand.lock().expect("stand") = ("decoding", 3, 12);
        wait_for("decoding: 3 of 12, ");
        drop(plain);
        let lines = said().len();
        std::thread::sleep(10 * every);
        assert_eq!(said().len(), lines, "it has ended");
    }
}
