//! Where the time of a run goes: what ran when, on the device and on the host. Knows nothing of wgpu.
//!
//! [`Runner::profile`](super::Runner::profile) switches the recording on, [`Runner::timings`](super::Runner::timings)
//! hands out what was recorded. All times are nanoseconds since the recording was switched on.

use std::collections::HashMap;
use std::time::Instant;

use super::plan::Plan;
use super::program::{Item, Program};

/// What a clear has in place of a kernel's name.
pub const CLEAR: &str = "clear";
/// What a copy to a texture has in place of a kernel's name.
pub const COPY: &str = "copy";

/// Whether that is a kernel's name, not what a row of clears or copies has in its place.
pub fn is_kernel(name: &str) -> bool {
    ![CLEAR, COPY].contains(&name)
}

/// What read the times of the dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The device, by timestamps before and after each dispatch, which has a pass of its own.
    Device,
    /// The host: one submit and one wait per dispatch, so that each time includes the way there and back.
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

/// When one dispatch, clear or copy ran, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The dispatch's label, the label of the buffer that is cleared, or what a copy is for.
    pub label: String,
    /// The kernel's name, [`CLEAR`] or [`COPY`].
    pub kernel: &'static str,
    /// The program that it belongs to.
    pub program: &'static str,
    /// Nanoseconds; a device's clock is set by the host's so that nothing begins before its submit does.
    pub begin_ns: u64,
    /// Nanoseconds; not before `begin_ns`, and equal to it where the clock is too coarse.
    pub end_ns: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// The least bytes that have to move: every operand counted once, however often the kernel fetches it, and twice
    /// where it is read and written.
    pub bytes: u64,
}

impl Timing {
    /// Nanoseconds that it took.
    pub fn ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.begin_ns)
    }

    /// That of `item`, not measured yet.
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

/// What the host did for a while: `write`, `encode`, `submit`, `wait` or `run` (on the CPU twins).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// what it did
    pub what: &'static str,
    /// nanoseconds
    pub begin_ns: u64,
    /// nanoseconds
    pub end_ns: u64,
}

/// Everything that was recorded.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// What read the times of the dispatches; those of the host are the host's.
    pub clock: Clock,
    /// Every dispatch, clear and copy in the order of the runs.
    pub device: Vec<Timing>,
    /// What the host did meanwhile, in order.
    pub host: Vec<Span>,
    /// Clears and copies that ran and are not in `device`: the adapter has no timestamps outside passes.
    pub untimed: u64,
}

impl Timings {
    /// Nanoseconds of all that was timed together.
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
    /// How many dispatches.
    pub calls: u64,
    /// Nanoseconds of all of them.
    pub ns: u64,
    /// Floating-point operations of all of them.
    pub flops: u64,
    /// Least bytes of all of them.
    pub bytes: u64,
}

impl Row {
    /// 10^9 floating-point operations per second; 0 where no time was measured.
    pub fn gflops(&self) -> f64 {
        self.per_ns(self.flops)
    }

    /// 10^9 least bytes per second; 0 where no time was measured.
    pub fn gbps(&self) -> f64 {
        self.per_ns(self.bytes)
    }

    fn per_ns(&self, amount: u64) -> f64 {
        if self.ns == 0 { 0.0 } else { amount as f64 / self.ns as f64 }
    }
}

/// Adds up what has the same kernel, and with `labels` the same label; the longest time first.
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

/// Collects timings between switching on and handing out.
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

    /// The host has done `what` from `began` until now.
    pub(super) fn host(&mut self, what: &'static str, began: Instant) {
        let (begin_ns, end_ns) = (self.at(began), self.at(Instant::now()));
        self.timings.host.push(Span { what, begin_ns, end_ns });
    }

    /// `timing` with its times.
    pub(super) fn push(&mut self, timing: Timing) {
        self.timings.device.push(timing);
    }

    /// `timing` of what began then and has just ended, by the host's clock.
    pub(super) fn push_since(&mut self, timing: Timing, began: Instant) {
        let (begin_ns, end_ns) = (self.at(began), self.at(Instant::now()));
        self.push(Timing { begin_ns, end_ns, ..timing });
    }

    /// A clear or copy that could not be timed.
    pub(super) fn untimed(&mut self) {
        self.timings.untimed += 1;
    }

    /// Hands out what there is.
    pub(super) fn take(&mut self) -> Timings {
        let clock = self.timings.clock;
        std::mem::replace(&mut self.timings, Timings { clock, ..Timings::default() })
    }
}
