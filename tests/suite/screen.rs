//! Progress of a group: a bar in a terminal, otherwise a line every ten seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::child::Said;

/// Interval between two lines without a terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Progress of one program: finished tests, all tests, and its last message.
#[derive(Default, Clone)]
struct Way {
    done: usize,
    all: usize,
    what: String,
}

/// Progress display of a group.
pub(crate) struct Screen {
    name: &'static str,
    bar: Option<ProgressBar>,
    ways: Vec<Way>,
    began: Instant,
    shown: Instant,
}

impl Screen {
    /// A display for a group of `programs` programs.
    pub(crate) fn new(name: &'static str, programs: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix:<12} [{bar:16}] {elapsed:>4} {wide_msg}");
            bar.set_style(style.expect("a template").progress_chars("=> "));
            bar.with_prefix(name)
        });
        let now = Instant::now();
        Self { name, bar, ways: vec![Way::default(); programs], began: now, shown: now }
    }

    /// Shows the state of program `index`.
    pub(crate) fn show(&mut self, index: usize, said: &Said) {
        let what = if said.progress.is_empty() { String::new() } else { format!(", {}", said.progress) };
        self.ways[index] = Way { done: said.done(), all: said.done() + said.expected.len(), what };
        let sum = |of: fn(&Way) -> usize| -> usize { self.ways.iter().map(of).sum() };
        let (done, all) = (sum(|way| way.done), sum(|way| way.all));
        let what: String = self.ways.iter().map(|way| way.what.as_str()).collect();
        let text = format!("{done} of {all} tests{what}");
        match &self.bar {
            Some(bar) => {
                bar.set_length(all.max(1) as u64);
                bar.set_position(done as u64);
                bar.set_message(text);
            }
            None if self.shown.elapsed() >= EVERY => {
                self.shown = Instant::now();
                println!("{:<12} ...... {:>6.1} s  {text}", self.name, self.began.elapsed().as_secs_f64());
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Number of comparisons by kind, summed over programs.
pub(crate) fn checks<'a>(said: impl Iterator<Item = &'a Said>) -> Vec<String> {
    let mut sums: Vec<(&str, usize)> = Vec::new();
    for (what, count) in said.flat_map(|said| &said.checked) {
        match sums.iter_mut().find(|(known, _)| known == what) {
            Some((_, sum)) => *sum += count,
            None => sums.push((what, *count)),
        }
    }
    sums.iter().map(|(what, count)| format!("{count} {what}")).collect()
}
