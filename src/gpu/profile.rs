//! Profile of a run: the times of its dispatches on the device and of the host's work. Knows nothing of wgpu.
//!
//! [`Runner::profile`](super::Runner::profile) switches the recording on, [`Runner::timings`](super::Runner::timings)
//! returns the record. All times are nanoseconds since the recording was switched on.

use std::collections::HashMap;
use std::time::Instant;

use super::plan::Plan;
use super::program::{Item, Program};

/// The kernel's name of a clear.
pub const CLEAR: &str = "clear";
/// The kernel's name of a copy to a texture.
pub const COPY: &str = "copy";

/// Whether a row's name is that of a kernel, not [`CLEAR`] or [`COPY`].
pub fn is_kernel(name: &str) -> bool {
    ![CLEAR, COPY].contains(&name)
}

/// The clock of the dispatches' times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The device's: timestamps before and after each dispatch, which has a pass of its own.
    Device,
    /// The host's: one submit and one wait per dispatch, so each time includes the submit's overhead.
    #[default]
    Host,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Device => "timestamps of the device",
            Self::Host => "the host's clock, one submit and one wait per dispatch",
        })
    }
}

/// The time and the cost of one dispatch, clear or copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The label of the dispatch, of the cleared buffer, or of the copy.
    pub label: String,
    /// The kernel's name, [`CLEAR`] or [`COPY`].
    pub kernel: &'static str,
    /// The program that it belongs to.
    pub program: &'static str,
    /// Nanoseconds. A device's clock is aligned with the host's so that nothing begins before its submit.
    pub begin_ns: u64,
    /// Nanoseconds; not before `begin_ns`, and equal to it if the clock is too coarse.
    pub end_ns: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// The least number of bytes that must move: every operand once, however often the kernel loads it, or twice if it is
    /// read and written.
    pub bytes: u64,
}

impl Timing {
    /// Its duration in nanoseconds.
    pub fn ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.begin_ns)
    }

    /// The entry of `item`, without times.
    pub(super) fn of(plan: &Plan, program: &Program, item: &Item) -> Self {
        let (label, kernel, flops, bytes) = match item {
            Item::Dispatch(d) => (d.label.clone(), d.kernel, d.flops(), d.bytes()),
            Item::Clear(buffer) => {
                let spec = &plan.buffers[buffer.index()];
                (spec.label.clone(), CLEAR, 0, 4 * spec.len)
            }
            Item::TextureCopy(copy) => (copy.label.clone(), COPY, 0, 2 * copy.tensor.bytes()),
        };
        Self { label, kernel, program: program.name, begin_ns: 0, end_ns: 0, flops, bytes }
    }
}

/// An activity of the host: `write`, `encode`, `submit`, `wait` or `run` (on the CPU twins).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// the activity
    pub what: &'static str,
    /// nanoseconds
    pub begin_ns: u64,
    /// nanoseconds
    pub end_ns: u64,
}

/// A record of times.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// The clock of `device`; `host` is by the host's clock.
    pub clock: Clock,
    /// Every dispatch, clear and copy in the order of the runs.
    pub device: Vec<Timing>,
    /// The host's activities, in order.
    pub host: Vec<Span>,
    /// Clears and copies that are not in `device`, because the adapter has no timestamps outside passes.
    pub untimed: u64,
}

impl Timings {
    /// The sum of all times of `device` in nanoseconds.
    pub fn busy_ns(&self) -> u64 {
        self.device.iter().map(Timing::ns).sum()
    }
}

/// Timings of one kind, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The label; empty in a row of a kernel.
    pub label: String,
    /// The kernel's name, [`CLEAR`] or [`COPY`].
    pub kernel: &'static str,
    /// Number of dispatches.
    pub calls: u64,
    /// Nanoseconds of all of them.
    pub ns: u64,
    /// Floating-point operations of all of them.
    pub flops: u64,
    /// Least bytes of all of them.
    pub bytes: u64,
}

impl Row {
    /// 10^9 floating-point operations per second; 0 if no time was measured.
    pub fn gflops(&self) -> f64 {
        self.per_ns(self.flops)
    }

    /// 10^9 least bytes per second; 0 if no time was measured.
    pub fn gbps(&self) -> f64 {
        self.per_ns(self.bytes)
    }

    fn per_ns(&self, amount: u64) -> f64 {
        if self.ns == 0 { 0.0 } else { amount as f64 / self.ns as f64 }
    }
}

/// Adds up entries of equal kernel, and with `labels` of equal label; the longest time first.
pub fn rows(timings: &[Timing], labels: bool) -> Vec<Row> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut rows: Vec<Row> = Vec::new();
    for timing in timings {
        let label = if labels { timing.label.as_str() } else { "" };
        let place = *places.entry((label, timing.kernel)).or_insert(rows.len());
        if place == rows.len() {
            let kernel = timing.kernel;
            rows.push(Row { label: label.to_owned(), kernel, calls: 0, ns: 0, flops: 0, bytes: 0 });
        }
        let row = &mut rows[place];
        row.calls += 1;
        row.ns += timing.ns();
        row.flops += timing.flops;
        row.bytes += timing.bytes;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.ns)); // stable: equal times stay in the order of the runs
    rows
}

/// Collects times from the moment that it is made.
pub(super) struct Recorder {
    began: Instant,
    timings: Timings,
}

impl Recorder {
    pub(super) fn new(clock: Clock) -> Self {
        Self { began: Instant::now(), timings: Timings { clock, ..Timings::default() } }
    }

    /// Nanoseconds since it was switched on.
    pub(super) fn at(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.began).as_nanos() as u64
    }

    /// Adds the host's activity `what` from `began` until now.
    pub(super) fn host(&mut self, what: &'static str, began: Instant) {
        let (begin_ns, end_ns) = (self.at(began), self.at(Instant::now()));
        self.timings.host.push(Span { what, begin_ns, end_ns });
    }

    /// Adds an entry with its times.
    pub(super) fn push(&mut self, timing: Timing) {
        self.timings.device.push(timing);
    }

    /// Adds an entry that began at `began` and has just ended, by the host's clock.
    pub(super) fn push_since(&mut self, timing: Timing, began: Instant) {
        let (begin_ns, end_ns) = (self.at(began), self.at(Instant::now()));
        self.push(Timing { begin_ns, end_ns, ..timing });
    }

    /// Counts a clear or copy that could not be timed.
    pub(super) fn untimed(&mut self) {
        self.timings.untimed += 1;
    }

    /// Returns the record and starts an empty one.
    pub(super) fn take(&mut self) -> Timings {
        let clock = self.timings.clock;
        std::mem::replace(&mut self.timings, Timings { clock, ..Timings::default() })
    }
}
