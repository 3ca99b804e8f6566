//! How a [`GpuRunner`] times what it runs: by timestamp queries, or, where there are none, by waiting.

use std::time::{Duration, Instant};

use super::adapter::Adapter;
use super::encode::{Command, encode_between};
use super::profile::{Clock, Recorder, Timing, Timings};
use super::program::ProgramId;
use super::readback::{PendingReadback, staging};
use super::runner::GpuRunner;
use crate::error::Result;

/// Those features of `adapter` that timing takes.
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

/// Dispatches whose two queries each lie one behind the other.
type Stamped = Vec<Timing>;

/// A query set that is filled, resolved and filled again.
struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// nanoseconds per tick
    period: f64,
    /// whether there are timestamps outside passes
    outside: bool,
    /// what is in the set; `begin_ns` holds the host's time of its submit until the queries are back
    open: Stamped,
    /// what has been resolved and is on its way
    chunks: Vec<(PendingReadback, Stamped)>,
    /// the first tick that was seen: zero of the device's clock
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

    /// Submits the way back of what is in the set, which is empty then.
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
        let flight = PendingReadback::start((device, queue), (&self.resolved, 0, bytes), 0, buffer);
        self.chunks.push((flight, std::mem::take(&mut self.open)));
    }

    /// Ticks since the first one that was seen, in nanoseconds.
    fn nanoseconds(&mut self, tick: u64) -> i64 {
        let base = *self.base.get_or_insert(tick);
        (tick.saturating_sub(base) as f64 * self.period) as i64
    }

    /// What has come back, on the host's clock. Nothing can begin before it is submitted, and where the queue was
    /// empty it begins just then: so much lies at least between the two clocks.
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

/// What a runner that is being profiled holds.
pub(super) struct Profiler {
    recorder: Recorder,
    stamps: Option<Timestamps>,
}

impl Profiler {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let stamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let clock = if stamps { Clock::Device } else { Clock::Host };
        Self { recorder: Recorder::new(clock), stamps: stamps.then(|| Timestamps::new(device, queue)) }
    }

    /// The host has done `what` from `began` until now.
    pub(super) fn host(&mut self, what: &'static str, began: Instant) {
        self.recorder.host(what, began);
    }
}

impl GpuRunner {
    /// Switches the recording of times on, from nothing, or off.
    pub(super) fn set_profile(&mut self, on: bool) -> Result<()> {
        self.wait(None)?; // what was submitted before is not part of it
        self.profiler = on.then(|| Profiler::new(&self.device, &self.queue));
        Ok(())
    }

    /// Waits for everything and hands out its times.
    pub(super) fn take_timings(&mut self) -> Result<Timings> {
        let Some(mut profiler) = self.profiler.take() else { return Ok(Timings::default()) };
        if let Some(stamps) = &mut profiler.stamps {
            stamps.resolve(&self.device, &self.queue);
            self.wait(None)?;
            stamps.collect(&self.name)?.into_iter().for_each(|timing| profiler.recorder.push(timing));
        }
        let timings = profiler.recorder.take();
        self.profiler = Some(profiler);
        Ok(timings)
    }

    /// [`Runner::run`](super::Runner::run) of one program with a time for every entry.
    pub(super) fn run_profiled(&mut self, profiler: &mut Profiler, program: ProgramId) -> Result<()> {
        let Profiler { recorder, stamps } = profiler;
        let mut at = 0;
        while at < self.programs[program.0].len() {
            at += match stamps {
                Some(stamps) => self.run_stamped(recorder, stamps, program, at),
                None => self.run_waiting(recorder, program, at)?,
            };
        }
        Ok(())
    }

    /// Submits entries from `at` on up to the submit's budget or the set's end, each between two timestamps;
    /// returns how many.
    fn run_stamped(
        &mut self,
        recorder: &mut Recorder,
        stamps: &mut Timestamps,
        id: ProgramId,
        at: usize,
    ) -> usize {
        let began = Instant::now();
        let program = self.plan.get(id);
        let entries = &self.programs[id.0][at..];
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(program.name) };
        let mut encoder = self.device.create_command_encoder(&descriptor);
        let (mut done, mut flops, before) = (0, 0u64, stamps.open.len());
        while done < entries.len() && flops < self.pace.budget() && !stamps.full() {
            let timing = Timing::of(&self.plan, program, &program.items[at + done]);
            flops = flops.saturating_add(timing.flops);
            let timed = stamp(&mut encoder, stamps, &self.buffers, &entries[done]);
            if timed {
                stamps.open.push(timing);
            } else {
                recorder.untimed();
            }
            done += 1;
        }
        let commands = encoder.finish();
        recorder.host("encode", began);
        let began = Instant::now();
        self.submit(commands);
        recorder.host("submit", began);
        let submitted = recorder.at(began);
        stamps.open[before..].iter_mut().for_each(|timing| timing.begin_ns = submitted);
        if stamps.full() {
            stamps.resolve(&self.device, &self.queue);
        }
        done
    }

    /// Submits the entry at `at` alone and waits for it; returns 1.
    fn run_waiting(&mut self, recorder: &mut Recorder, id: ProgramId, at: usize) -> Result<usize> {
        let began = Instant::now();
        let program = self.plan.get(id);
        let timing = Timing::of(&self.plan, program, &program.items[at]);
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(program.name) };
        let mut encoder = self.device.create_command_encoder(&descriptor);
        encode_between(&mut encoder, &self.buffers, &[&self.programs[id.0][at]], None);
        let commands = encoder.finish();
        recorder.host("encode", began);
        let began = Instant::now();
        let submission = self.submit(commands);
        recorder.host("submit", began);
        let waiting = Instant::now();
        self.wait(Some(submission))?;
        recorder.push_since(timing, began);
        recorder.host("wait", waiting);
        Ok(1)
    }

    /// Runs `program` `repeats` times in one submit and returns how long all of it took: between two timestamps
    /// of the device where the runner has them ([`GpuRunner::timed`]), else by the host's clock from the submit
    /// to the end of the wait for it. Clears after the last dispatch are not part of a device's time. Drivers end submits of seconds: keep `repeats` small. The first run of a program sets up its
    /// buffers and takes longer: [`Runner::run`](super::Runner::run) it once before. Profiling does not see it.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    pub fn time(&mut self, program: ProgramId, repeats: u32) -> Result<Duration> {
        self.wait(None)?; // nothing that was submitted before is counted
        let stamped = self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
            && self.plan.get(program).dispatches().next().is_some()
            && repeats > 0;
        let queries = stamped.then(|| (query_set(&self.device, 2), resolved(&self.device, 2)));
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("time") };
        let mut encoder = self.device.create_command_encoder(&descriptor);
        let entries: Vec<&Command> = (0..repeats).flat_map(|_| &self.programs[program.0]).collect();
        encode_between(&mut encoder, &self.buffers, &entries, queries.as_ref().map(|(set, _)| set));
        if let Some((set, resolved)) = &queries {
            encoder.resolve_query_set(set, 0..2, resolved, 0);
        }
        let commands = encoder.finish();
        let began = Instant::now();
        let submission = self.submit(commands);
        self.wait(Some(submission))?;
        let Some((_, resolved)) = queries else { return Ok(began.elapsed()) };
        let bytes = resolved.size();
        let buffer = staging(&self.device, bytes);
        let flight = PendingReadback::start((&self.device, &self.queue), (&resolved, 0, bytes), 0, buffer);
        self.wait(Some(flight.submission.clone()))?;
        let ticks: Vec<u64> = flight.values(&self.name)?;
        let ticks = ticks[1].saturating_sub(ticks[0]);
        Ok(Duration::from_secs_f64(ticks as f64 * f64::from(self.queue.get_timestamp_period()) / 1e9))
    }
}

/// Encodes one entry between the next two queries of the set; false for what cannot have any outside passes.
fn stamp(
    encoder: &mut wgpu::CommandEncoder,
    stamps: &Timestamps,
    buffers: &[wgpu::Buffer],
    entry: &Command,
) -> bool {
    let at = stamps.used();
    match entry {
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
            entry.record_outside(encoder, buffers);
            if stamps.outside {
                encoder.write_timestamp(&stamps.set, at + 1);
            }
            stamps.outside
        }
    }
}
