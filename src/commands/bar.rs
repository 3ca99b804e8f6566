//! Progress of one task: a bar on a terminal, elsewhere a plain line every few seconds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::terminal::duration;

/// Time between two plain lines.
pub(super) const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Time between two redraws of a bar without progress.
const TICK: Duration = Duration::from_millis(500);
/// Time between two looks at a counter.
const READ: Duration = Duration::from_millis(100);
/// Template while the amount of work is unknown.
const UNKNOWN: &str = "{prefix}: {elapsed}";
/// Template with a known amount of work.
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

/// Name of the task, finished items, all items.
type Stand = Arc<Mutex<(&'static str, usize, usize)>>;

/// Progress of one task.
pub struct Bar {
    bar: ProgressBar,
    stand: Stand,
    plain: Option<Plain>,
    /// reads the progress from a counter
    reader: Option<Reader>,
}

impl Bar {
    /// A bar with a name. Its plain lines go to standard error, because results go to standard output.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        Self::with(what, quiet, !is_drawn(), output::note)
    }

    /// A bar for `train`, whose plain lines go to standard output, its log.
    pub fn logged(what: &'static str, quiet: bool) -> Self {
        use std::io::IsTerminal as _;
        Self::with(what, quiet, !is_drawn() || !std::io::stdout().is_terminal(), output::line)
    }

    /// A bar for `train` that follows a counter, from its present value to `all` more.
    pub fn counting(what: &'static str, counter: &Arc<AtomicUsize>, all: usize, quiet: bool) -> Self {
        let mut bar = Self::logged(what, quiet);
        bar.reader = Reader::start((bar.bar.clone(), bar.stand.clone()), counter.clone(), (what, all));
        bar
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
        Self { bar, stand, plain, reader: None }
    }

    /// Reports the progress.
    pub fn set(&self, done: usize, all: usize) {
        let what = self.stand.lock().unwrap_or_else(PoisonError::into_inner).0;
        self.step(what, done, all);
    }

    /// Reports the progress of a part of the task. If `all` is 0, the amount of work is unknown.
    pub fn step(&self, what: &'static str, done: usize, all: usize) {
        step(&self.bar, &self.stand, (what, done, all));
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Removes the bar, and ends the plain lines.
    pub fn clear(&self) {
        if let Some(reader) = &self.reader {
            reader.end();
        }
        self.bar.finish_and_clear();
        if let Some(plain) = &self.plain {
            let _ = plain.end.send(()); // fails if it has ended
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Moves a bar to a new place.
fn step(bar: &ProgressBar, stand: &Stand, (what, done, all): (&'static str, usize, usize)) {
    let before = {
        let mut stand = stand.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stand, (what, done, all))
    };
    if before.0 != what {
        bar.set_prefix(what);
        bar.reset_eta();
    }
    if (before.2 == 0) != (all == 0) {
        bar.set_style(style(if all == 0 { UNKNOWN } else { KNOWN }));
    }
    bar.set_length(all as u64);
    bar.set_position(done as u64);
}

/// The thread that moves a bar with a counter.
struct Reader {
    ended: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reader {
    fn start(
        (bar, stand): (ProgressBar, Stand),
        counter: Arc<AtomicUsize>,
        (what, all): (&'static str, usize),
    ) -> Option<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let (before, over) = (counter.load(Ordering::Relaxed), ended.clone());
        let work = move || {
            while !over.load(Ordering::Relaxed) {
                let done = counter.load(Ordering::Relaxed).saturating_sub(before);
                step(&bar, &stand, (what, done.min(all), all));
                std::thread::park_timeout(READ);
            }
        };
        // without the thread only the progress is missing
        let thread = std::thread::Builder::new().name("progress".into()).spawn(work).ok()?;
        Some(Self { ended, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread, so that it draws nothing any more.
    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            thread.thread().unpark();
            let _ = thread.join(); // fails if it could not draw
        }
    }
}

/// The thread that prints a line at intervals, with or without progress.
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
        // without the thread only the lines are missing
        let thread = std::thread::Builder::new().name("progress".into()).spawn(work).ok();
        Self { end, thread }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.end.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // fails if a line could not be printed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn a_bar_follows_its_counter() {
        let counter = Arc::new(AtomicUsize::new(7));
        let bar = Bar::counting("compiling kernels", &counter, 5, true);
        let wait_for = |wanted: usize| {
            let began = Instant::now();
            while *bar.stand.lock().expect("stand") != ("compiling kernels", wanted, 5) {
                assert!(began.elapsed() < Duration::from_secs(20), "{:?}", bar.stand);
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait_for(0);
        counter.store(10, Ordering::Relaxed);
        wait_for(3);
        // kernels of other programs count too
        counter.store(20, Ordering::Relaxed);
        wait_for(5);
        bar.clear();
        assert!(bar.reader.as_ref().is_some_and(|reader| reader.thread.lock().expect("thread").is_none()));
    }

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
