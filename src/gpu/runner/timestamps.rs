//! Profiler of a [`GpuRunner`](super::GpuRunner): times by timestamp queries, or by waiting if the device has none.

use std::time::{Duration, Instant};

use super::device::OpenDevice;
use super::encode::{Command, encode_between};
use super::readback::{PendingReadback, staging};
use crate::error::Result;
use crate::gpu::adapter::Adapter;
use crate::gpu::plan::Plan;
use crate::gpu::profile::{Clock, Recorder, Timing, Timings};
use crate::gpu::program::Program;

/// The features for timing that `adapter` has.
pub(super) fn features(adapter: &Adapter) -> wgpu::Features {
    let wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS;
    adapter.features & wanted
}

fn query_set(device: &wgpu::Device, count: u32) -> wgpu::QuerySet {
    let ty = wgpu::QueryType::Timestamp;
    device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("timestamps"), ty, count })
}

fn resolved(device: &wgpu::Device, queries: u32) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("timestamps"),
        size: u64::from(queries * wgpu::QUERY_SIZE),
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

/// Dispatches in the order of their queries, two for each.
type Stamped = Vec<Timing>;

/// A query set that is filled, resolved and reused.
struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// nanoseconds per tick
    period: f64,
    /// whether there are timestamps outside passes
    outside: bool,
    /// dispatches with queries in the set; until the queries are back, `begin_ns` is the host's time of the submit
    open: Stamped,
    /// resolved queries whose read-back is pending
    chunks: Vec<(PendingReadback, Stamped)>,
    /// the first tick that was read: zero of the device's clock
    base: Option<u64>,
    /// from the device's clock to the host's, nanoseconds
    offset: i64,
}

impl Timestamps {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self {
            set: query_set(device, wgpu::QUERY_SET_MAX_QUERIES),
            resolved: resolved(device, wgpu::QUERY_SET_MAX_QUERIES),
            period: queue.get_timestamp_period().into(),
            outside: device.features().contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS),
            open: Vec::new(),
            chunks: Vec::new(),
            base: None,
            offset: i64::MIN,
        }
    }

    fn used(&self) -> u32 {
        2 * self.open.len() as u32
    }

    fn full(&self) -> bool {
        self.used() + 2 > wgpu::QUERY_SET_MAX_QUERIES
    }

    /// Submits the read-back of the set and empties it.
    fn resolve(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) {
        if self.open.is_empty() {
            return;
        }
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("timestamps") };
        let mut encoder = device.create_command_encoder(&descriptor);
        encoder.resolve_query_set(&self.set, 0..self.used(), &self.resolved, 0);
        queue.submit([encoder.finish()]);
        let bytes = u64::from(self.used() * wgpu::QUERY_SIZE);
        let buffer = staging(device, bytes);
        let flight = PendingReadback::start((device, queue), &[(&self.resolved, 0, bytes)], 0, buffer);
        self.chunks.push((flight, std::mem::take(&mut self.open)));
    }

    /// Time since the first tick that was read, in nanoseconds.
    fn nanoseconds(&mut self, tick: u64) -> i64 {
        let base = *self.base.get_or_insert(tick);
        (tick.saturating_sub(base) as f64 * self.period) as i64
    }

    /// The times that have come back, on the host's clock. Nothing begins before it is submitted, and with an empty queue
    /// it begins at once. So the offset between the clocks is the largest difference from submit to beginning.
    fn collect(&mut self, name: &str) -> Result<Stamped> {
        let mut all = Vec::new();
        for (flight, timings) in std::mem::take(&mut self.chunks) {
            let ticks: Vec<u64> = flight.values(name)?;
            for (mut timing, ticks) in timings.into_iter().zip(ticks.chunks(2)) {
                let submitted = timing.begin_ns as i64;
                let (begin, end) = (self.nanoseconds(ticks[0]), self.nanoseconds(ticks[1]));
                self.offset = self.offset.max(submitted - begin);
                (timing.begin_ns, timing.end_ns) = (begin as u64, end.max(begin) as u64);
                all.push(timing);
            }
        }
        let shift = |ns: u64| ns.saturating_add_signed(self.offset);
        for timing in &mut all {
            (timing.begin_ns, timing.end_ns) = (shift(timing.begin_ns), shift(timing.end_ns));
        }
        Ok(all)
    }
}

/// One program to be run and timed.
#[derive(Clone, Copy)]
pub(super) struct Replay<'a> {
    pub(super) plan: &'a Plan,
    pub(super) program: &'a Program,
    /// one for each item of the program
    pub(super) commands: &'a [Command],
    pub(super) buffers: &'a [wgpu::Buffer],
}

impl Replay<'_> {
    /// The entry of item `at`, without times.
    fn timing(&self, at: usize) -> Timing {
        Timing::of(self.plan, self.program, &self.program.items[at])
    }
}

/// Recorder of times and, if the device has them, its timestamp queries.
pub(super) struct Profiler {
    recorder: Recorder,
    stamps: Option<Timestamps>,
}

impl Profiler {
    pub(super) fn new(device: &OpenDevice) -> Self {
        let stamps = device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let clock = if stamps { Clock::Device } else { Clock::Host };
        let stamps = stamps.then(|| Timestamps::new(&device.device, &device.queue));
        Self { recorder: Recorder::new(clock), stamps }
    }

    /// Notes that the host has done `what` from `began` until now.
    pub(super) fn host(&mut self, what: &'static str, began: Instant) {
        self.recorder.host(what, began);
    }

    /// Waits for everything and returns its times.
    pub(super) fn take(&mut self, device: &OpenDevice) -> Result<Timings> {
        if let Some(stamps) = &mut self.stamps {
            stamps.resolve(&device.device, &device.queue);
            device.wait(None)?;
            stamps.collect(&device.name)?.into_iter().for_each(|timing| self.recorder.push(timing));
        }
        Ok(self.recorder.take())
    }

    /// Runs one program with a time for every item, in submits of at most `budget` work each.
    pub(super) fn run(&mut self, device: &mut OpenDevice, replay: &Replay<'_>, budget: u64) -> Result<()> {
        let mut at = 0;
        while at < replay.commands.len() {
            at += match &mut self.stamps {
                Some(stamps) => run_stamped(device, &mut self.recorder, stamps, (replay, at), budget),
                None => run_waiting(device, &mut self.recorder, (replay, at))?,
            };
        }
        Ok(())
    }
}

/// Submits items from `at` on, up to the budget or the end of the set, each between two timestamps. Returns how many.
fn run_stamped(
    device: &mut OpenDevice,
    recorder: &mut Recorder,
    stamps: &mut Timestamps,
    (replay, at): (&Replay<'_>, usize),
    budget: u64,
) -> usize {
    let began = Instant::now();
    let commands = &replay.commands[at..];
    let mut encoder = device.encoder(replay.program.name);
    let (mut done, mut flops, before) = (0, 0u64, stamps.open.len());
    while done < commands.len() && flops < budget && !stamps.full() {
        let timing = replay.timing(at + done);
        flops = flops.saturating_add(timing.flops);
        if stamp(&mut encoder, stamps, replay.buffers, &commands[done]) {
            stamps.open.push(timing);
        } else {
            recorder.untimed();
        }
        done += 1;
    }
    let commands = encoder.finish();
    recorder.host("encode", began);
    let began = Instant::now();
    device.submit(commands);
    recorder.host("submit", began);
    let submitted = recorder.at(began);
    stamps.open[before..].iter_mut().for_each(|timing| timing.begin_ns = submitted);
    if stamps.full() {
        stamps.resolve(&device.device, &device.queue);
    }
    done
}

/// Submits the item at `at` alone and waits for it. Returns 1.
fn run_waiting(
    device: &mut OpenDevice,
    recorder: &mut Recorder,
    (replay, at): (&Replay<'_>, usize),
) -> Result<usize> {
    let began = Instant::now();
    let timing = replay.timing(at);
    let mut encoder = device.encoder(replay.program.name);
    encode_between(&mut encoder, replay.buffers, &[&replay.commands[at]], None);
    let commands = encoder.finish();
    recorder.host("encode", began);
    let began = Instant::now();
    let submission = device.submit(commands);
    recorder.host("submit", began);
    let waiting = Instant::now();
    device.wait(Some(submission))?;
    recorder.push_since(timing, began);
    recorder.host("wait", waiting);
    Ok(1)
}

/// Runs `commands` in one submit and returns how long they took, by timestamps if the device has them and `commands`
/// contain a dispatch, else by the host's clock.
pub(super) fn time(
    device: &mut OpenDevice,
    buffers: &[wgpu::Buffer],
    commands: &[&Command],
) -> Result<Duration> {
    device.wait(None)?; // earlier submits do not count
    let stamped = device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
        && commands.iter().any(|command| command.is_dispatch());
    let queries = stamped.then(|| (query_set(&device.device, 2), resolved(&device.device, 2)));
    let mut encoder = device.encoder("time");
    encode_between(&mut encoder, buffers, commands, queries.as_ref().map(|(set, _)| set));
    if let Some((set, resolved)) = &queries {
        encoder.resolve_query_set(set, 0..2, resolved, 0);
    }
    let encoded = encoder.finish();
    let began = Instant::now();
    let submission = device.submit(encoded);
    device.wait(Some(submission))?;
    let Some((_, resolved)) = queries else { return Ok(began.elapsed()) };
    let bytes = resolved.size();
    let buffer = staging(&device.device, bytes);
    let readback =
        PendingReadback::start((&device.device, &device.queue), &[(&resolved, 0, bytes)], 0, buffer);
    device.wait(Some(readback.submission.clone()))?;
    let ticks: Vec<u64> = readback.values(&device.name)?;
    let ticks = ticks[1].saturating_sub(ticks[0]);
    Ok(Duration::from_secs_f64(ticks as f64 * f64::from(device.queue.get_timestamp_period()) / 1e9))
}

/// Encodes one command between the next two queries of the set. Returns false if it runs outside passes and the device has
/// no timestamps there.
fn stamp(
    encoder: &mut wgpu::CommandEncoder,
    stamps: &Timestamps,
    buffers: &[wgpu::Buffer],
    command: &Command,
) -> bool {
    let at = stamps.used();
    match command {
        Command::Dispatch(d) => {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &stamps.set,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            };
            let label = Some(d.label.as_str());
            let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes: Some(writes) };
            d.record(&mut encoder.begin_compute_pass(&descriptor));
            true
        }
        Command::Clear(_) | Command::Copy(_) => {
            if stamps.outside {
                encoder.write_timestamp(&stamps.set, at);
            }
            command.record_outside(encoder, buffers);
            if stamps.outside {
                encoder.write_timestamp(&stamps.set, at + 1);
            }
            stamps.outside
        }
    }
}
