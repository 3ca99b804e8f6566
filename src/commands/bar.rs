//! Progress of one task: a bar on a terminal, elsewhere a plain line every few seconds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::terminal::duration;

/// Time before the first plain line.
const PLAIN_FIRST: Duration = Duration::from_secs(2);
/// Time between two plain lines.
pub(super) const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Time between two redraws of a bar without progress.
const TICK: Duration = Duration::from_millis(500);
/// Time between two looks at a counter.
const READ: Duration = Duration::from_millis(100);
/// Template while the amount of work is unknown.
const UNKNOWN: &str = "{prefix}: {elapsed}";
/// Columns of a line without its bar: a long name, numbers and time.
const BESIDE_BAR: usize = 48;

/// Whether bars can be drawn: whether standard error is a terminal that can move its cursor.
pub(super) fn is_drawn() -> bool {
    !ProgressDrawTarget::stderr().is_hidden()
}

/// Template with a known amount of work, for the width of the terminal.
fn known() -> String {
    let (_, columns) = console::Term::stderr().size();
    let width = usize::from(columns).saturating_sub(BESIDE_BAR).clamp(10, 30);
    format!("{{prefix}} [{{bar:{width}}}] {{pos}}/{{len}}, {{eta}} left")
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Name of the task, finished items, all items.
type Stand = Arc<Mutex<(&'static str, usize, usize)>>;

/// The bars that are drawn, the newest last.
static DRAWN: Mutex<Vec<(usize, ProgressBar)>> = Mutex::new(Vec::new());
/// Numbers for bars.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn drawn() -> MutexGuard<'static, Vec<(usize, ProgressBar)>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints something above the bar, if one is drawn. A line that is printed into a bar would leave a part of it there.
pub(super) fn above_bar(print: impl FnOnce()) {
    let newest = drawn().last().map(|(_, bar)| bar.clone());
    match newest {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Progress of one task.
pub struct Bar {
    number: usize,
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
        Self::with(what, quiet, !is_drawn() || !std::io::stdout().is_terminal(), output::say)
    }

    /// A bar for `train` that follows a counter, from its present value to `all` more.
    pub fn counting(what: &'static str, counter: &Arc<AtomicUsize>, all: usize, quiet: bool) -> Self {
        let mut bar = Self::logged(what, quiet);
        bar.reader = Reader::start((bar.bar.clone(), bar.stand.clone()), counter.clone(), (what, all));
        bar
    }

    fn with(what: &'static str, quiet: bool, plain: bool, say: fn(&str)) -> Self {
        let quiet = quiet || output::is_quiet();
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        bar.set_style(style(UNKNOWN));
        bar.set_prefix(what);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
            drawn().push((number, bar.clone()));
        }
        let stand: Stand = Arc::new(Mutex::new((what, 0, 0)));
        let plain = (plain && !quiet).then(|| Plain::start(stand.clone(), [PLAIN_FIRST, PLAIN_EVERY], say));
        Self { number, bar, stand, plain, reader: None }
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

    /// Removes the bar, and ends the plain lines.
    pub fn clear(&self) {
        if let Some(reader) = &self.reader {
            reader.end();
        }
        drawn().retain(|(number, _)| *number != self.number);
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
        bar.set_style(style(&if all == 0 { UNKNOWN.to_owned() } else { known() }));
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
    fn start(stand: Stand, [first, every]: [Duration; 2], say: fn(&str)) -> Self {
        let (end, ended) = mpsc::channel();
        let work = move || {
            let began = Instant::now();
            let mut wait = first;
            while ended.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
                wait = every;
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

    static FIRST: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn the_first_plain_line_comes_early() {
        let stand: Stand = Arc::new(Mutex::new(("decoding", 1, 2)));
        let hour = Duration::from_secs(3600);
        let plain = Plain::start(stand, [Duration::from_millis(2), hour], |line| {
            FIRST.lock().expect("lines").push(line.to_owned());
        });
        let began = Instant::now();
        while FIRST.lock().expect("lines").is_empty() {
            assert!(began.elapsed() < Duration::from_secs(20), "no line");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        drop(plain);
        assert_eq!(FIRST.lock().expect("lines").len(), 1, "the next one is an hour away");
    }

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
            Plain::start(stand.clone(), [every; 2], |line| SAID.lock().expect("lines").push(line.to_owned()));
        wait_for("decoding: 0.0 s");
        *stand.lock().expect("stand") = ("decoding", 3, 12);
        wait_for("decoding: 3 of 12, ");
        drop(plain);
        let lines = said().len();
        std::thread::sleep(10 * every);
        assert_eq!(said().len(), lines, "it has ended");
    }
}
