//! The runner for GPUs: buffers, pipelines and bind groups are created once, then the programs are replayed.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::Runner;
use super::device::OpenDevice;
use super::encode::{Command, encode};
use super::memory::Memory;
use super::pace::Pace;
use super::pipeline_cache::PipelineFile;
use super::pipelines::compile;
use super::readback::{PendingReadback, Reading, ReadingState, staging};
use super::timestamps::{self, Profiler, Replay};
use crate::error::{Error, Result};
use crate::gpu::adapter::Adapter;
use crate::gpu::ids::ProgramId;
use crate::gpu::plan::Plan;
use crate::gpu::profile::Timings;
use crate::gpu::program::Item;
use crate::gpu::tensor::Tensor;

/// The maximum number of small read-backs in flight: more would let the host run that many steps ahead of the GPU.
const MAX_PENDING_READBACKS: usize = 4;

/// A plan on a device.
pub struct GpuRunner {
    plan: Plan,
    device: OpenDevice,
    buffers: Vec<wgpu::Buffer>,
    /// the commands of each program
    commands: Vec<Vec<Command>>,
    pending: VecDeque<PendingReadback>,
    /// staging buffers that are free
    spare: Vec<wgpu::Buffer>,
    pace: Pace,
    profiler: Option<Profiler>,
    first_runs: Option<FirstRuns>,
}

/// Kernels that have not run yet, on a software adapter: it compiles each of them when it first runs.
struct FirstRuns {
    /// the kernels that have run
    kernels: HashSet<Arc<str>>,
    /// the programs that have run, by the first of their items
    programs: HashSet<(usize, usize)>,
    compiled: Arc<AtomicUsize>,
}

impl GpuRunner {
    /// Opens `adapter` with the limits that `plan` needs, allocates its buffers and compiles its kernels.
    ///
    /// # Errors
    /// [`Error::Limit`] if the plan does not fit, [`Error::Device`] if the device refuses.
    pub fn new(adapter: &Adapter, plan: Plan) -> Result<Self> {
        Self::with(adapter, plan, wgpu::Features::empty())
    }

    /// [`GpuRunner::new`] with timestamps, if the adapter has them, for [`GpuRunner::time`] and [`Runner::profile`].
    ///
    /// # Errors
    /// As [`GpuRunner::new`].
    pub fn timed(adapter: &Adapter, plan: Plan) -> Result<Self> {
        Self::with(adapter, plan, timestamps::features(adapter))
    }

    fn with(adapter: &Adapter, plan: Plan, features: wgpu::Features) -> Result<Self> {
        plan.check_limits(&adapter.capabilities())?;
        let device = OpenDevice::open(adapter, &plan, features)?;
        let memory = Memory::allocate(&device.device, &plan)?;
        let stored = PipelineFile::open(&device.device, adapter);
        let cache = stored.as_ref().map(PipelineFile::cache);
        let pipelines = compile(&device.device, &plan, cache, &adapter.compiled);
        device.healthy()?;
        // a folder that cannot be written only makes the next start slower
        let _ = stored.map_or(Ok(()), |stored| stored.save());
        let prepare = |item| memory.prepare(&device.device, &pipelines, &plan, item);
        let commands = plan.programs.iter().map(|program| program.items.iter().map(prepare).collect());
        let commands = commands.collect();
        device.healthy()?;
        Ok(Self {
            buffers: memory.buffers,
            device,
            commands,
            pending: VecDeque::new(),
            spare: Vec::new(),
            pace: if adapter.is_software() { Pace::unbounded() } else { Pace::unknown() },
            profiler: None,
            first_runs: adapter.is_software().then(|| FirstRuns {
                kernels: HashSet::new(),
                programs: HashSet::new(),
                compiled: adapter.compiled.clone(),
            }),
            plan,
        })
    }

    /// Runs `program` `repeats` times in one submit and returns how long all of it took: between two timestamps of the
    /// device if the runner has them ([`GpuRunner::timed`]), else by the host's clock from the submit to the end of the
    /// wait for it. Clears after the last dispatch are not part of a device's time.
    ///
    /// Drivers end submits of seconds: keep `repeats` small. The first run of a program sets up its buffers and takes
    /// longer: [`Runner::run`] it once before. Profiling does not see it.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    pub fn time(&mut self, program: ProgramId, repeats: u32) -> Result<Duration> {
        let commands: Vec<&Command> = (0..repeats).flat_map(|_| &self.commands[program.0]).collect();
        timestamps::time(&mut self.device, &self.buffers, &commands)
    }

    fn wait(&mut self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let began = Instant::now();
        let waited = self.device.wait(submission);
        self.note("wait", began);
        waited
    }

    /// Submits `commands` of `work`, and times them while the device's speed is not known.
    fn submit_paced(&mut self, commands: wgpu::CommandBuffer, work: u64) -> Result<()> {
        if !self.pace.times(work) {
            self.device.submit(commands);
            return Ok(());
        }
        self.wait(None)?; // earlier submits are not part of the time
        let began = Instant::now();
        let submission = self.device.submit(commands);
        self.wait(Some(submission))?;
        self.pace.took(work, began.elapsed());
        Ok(())
    }

    /// Runs items of a program for the first time on a software adapter, kernel by kernel, so that compiled ones can be
    /// counted. Returns false, and runs nothing, if they have run before.
    fn runs_first(&mut self, id: ProgramId, range: Range<usize>) -> Result<bool> {
        let key = (id.0, range.start);
        let Some(mut first) = self.first_runs.take_if(|first| !first.programs.contains(&key)) else {
            return Ok(false);
        };
        first.programs.insert(key);
        let mut at = range.start;
        while at < range.end {
            let mut encoder = self.device.encoder(self.plan.get(id).name);
            // up to one dispatch
            let (done, _) = encode(&mut encoder, &self.buffers, &self.commands[id.0][at..range.end], 1);
            let submission = self.device.submit(encoder.finish());
            let items = &self.plan.get(id).items[at..at + done];
            let sources = items.iter().filter_map(|item| match item {
                Item::Dispatch(dispatch) => Some(dispatch.source.clone()),
                Item::Clear(_) | Item::TextureCopy(_) => None,
            });
            let new = sources.filter(|source| first.kernels.insert(source.clone())).count();
            if new > 0 {
                self.wait(Some(submission))?;
                first.compiled.fetch_add(new, Ordering::Relaxed);
            }
            at += done;
        }
        self.first_runs = Some(first);
        Ok(true)
    }

    /// Notes for the profiler, if there is one, that the host has done `what` from `began` until now.
    fn note(&mut self, what: &'static str, began: Instant) {
        if let Some(profiler) = &mut self.profiler {
            profiler.host(what, began);
        }
    }

    /// A buffer for a copy to the host, used before if there is one of this length.
    fn staging(&mut self, bytes: u64) -> wgpu::Buffer {
        match self.spare.iter().position(|spare| spare.size() == bytes) {
            Some(at) => self.spare.swap_remove(at),
            None => staging(&self.device.device, bytes),
        }
    }

    fn start_readback(&mut self, tensors: &[Tensor], tag: u64, buffer: wgpu::Buffer) -> PendingReadback {
        let began = Instant::now();
        self.device.submits += 1;
        let source = |tensor: &Tensor| (&self.buffers[tensor.buffer.0], tensor.byte_offset(), tensor.bytes());
        let sources: Vec<_> = tensors.iter().map(source).collect();
        let device = (&self.device.device, &self.device.queue);
        let readback = PendingReadback::start(device, &sources, tag, buffer);
        self.note("submit", began);
        readback
    }
}

impl Runner for GpuRunner {
    fn write(&mut self, tensor: &Tensor, words: &[u32]) {
        let fits = 4 * words.len() as u64 <= tensor.bytes();
        assert!(fits, "write: {} words to {}", words.len(), tensor.shape);
        let began = Instant::now();
        let buffer = &self.buffers[tensor.buffer.0];
        self.device.queue.write_buffer(buffer, tensor.byte_offset(), bytemuck::cast_slice(words));
        self.note("write", began);
    }

    fn run(&mut self, programs: &[ProgramId]) -> Result<()> {
        if let Some(profiler) = &mut self.profiler {
            for id in programs {
                let (commands, buffers) = (&self.commands[id.0], &self.buffers);
                let replay = Replay { plan: &self.plan, program: self.plan.get(*id), commands, buffers };
                profiler.run(&mut self.device, &replay, self.pace.budget())?;
            }
            return self.device.healthy();
        }
        for id in programs {
            self.run_items(*id, 0..self.commands[id.0].len())?;
        }
        Ok(())
    }

    fn run_items(&mut self, id: ProgramId, items: Range<usize>) -> Result<()> {
        if !self.runs_first(id, items.clone())? {
            let mut at = items.start;
            while at < items.end {
                let mut encoder = self.device.encoder(self.plan.get(id).name);
                let commands = &self.commands[id.0][at..items.end];
                let (done, work) = encode(&mut encoder, &self.buffers, commands, self.pace.budget());
                at += done;
                self.submit_paced(encoder.finish(), work)?;
            }
        }
        self.device.healthy()
    }

    fn start_read(&mut self, tensors: &[Tensor]) -> Result<Reading> {
        let buffer = self.staging(tensors.iter().map(Tensor::bytes).sum());
        let readback = self.start_readback(tensors, 0, buffer);
        self.device.healthy()?;
        Ok(Reading(ReadingState::Pending(readback)))
    }

    fn has_arrived(&mut self, reading: &Reading) -> bool {
        let ReadingState::Pending(readback) = &reading.0 else { return true };
        // a failure is reported where the result is needed
        let _ = self.device.device.poll(wgpu::PollType::Poll);
        readback.has_arrived()
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>> {
        let readback = match reading.0 {
            ReadingState::Values(values) => return Ok(values),
            ReadingState::Pending(readback) => readback,
            ReadingState::Later(..) => unreachable!("a reading of another runner"),
        };
        self.wait(Some(readback.submission.clone()))?;
        let values = readback.values(&self.device.name)?;
        readback.buffer.unmap();
        self.spare.push(readback.buffer);
        Ok(values)
    }

    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        let buffer = staging(&self.device.device, tensor.bytes());
        let readback = self.start_readback(&[*tensor], 0, buffer);
        self.wait(Some(readback.submission.clone()))?;
        let words: Vec<u32> = readback.values(&self.device.name)?;
        readback.buffer.unmap();
        Ok(tensor.element.unpack(&words))
    }

    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()> {
        if self.pending.len() >= MAX_PENDING_READBACKS
            && let Some(oldest) = self.pending.front()
        {
            let submission = oldest.submission.clone();
            self.wait(Some(submission))?;
        }
        let buffer = self.staging(tensor.bytes());
        let readback = self.start_readback(&[*tensor], tag, buffer);
        self.pending.push_back(readback);
        Ok(())
    }

    fn poll_readbacks(&mut self, wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        let name = self.device.name.clone();
        if wait && !self.pending.is_empty() {
            self.wait(None)?;
        } else {
            let polled = self.device.device.poll(wgpu::PollType::Poll);
            polled.map_err(|e| Error::Device(format!("{name}: {e}")))?;
        }
        let mut values = Vec::new();
        while let Some(readback) = self.pending.pop_front() {
            match readback.done.try_recv() {
                Ok(Ok(())) => {
                    values.push((readback.tag, readback.values(&name)?));
                    readback.buffer.unmap();
                    self.spare.push(readback.buffer);
                }
                Err(mpsc::TryRecvError::Empty) => {
                    self.pending.push_front(readback);
                    break;
                }
                Ok(Err(_)) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.device.healthy()?;
                    return Err(Error::Device(format!("{name}: a read-back was dropped")));
                }
            }
        }
        self.device.healthy()?;
        Ok(values)
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn name(&self) -> String {
        self.device.name.clone()
    }

    fn lose_device(&mut self) {
        self.device.device.destroy();
    }

    fn submits(&self) -> u64 {
        self.device.submits
    }

    fn profile(&mut self, on: bool) -> Result<()> {
        self.wait(None)?; // earlier submits are not part of the record
        self.profiler = on.then(|| Profiler::new(&self.device));
        Ok(())
    }

    fn timings(&mut self) -> Result<Timings> {
        self.profiler.as_mut().map_or_else(|| Ok(Timings::default()), |profiler| profiler.take(&self.device))
    }
}
