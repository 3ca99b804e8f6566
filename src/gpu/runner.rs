//! Runs a plan's programs on the GPU: buffers, pipelines and bind groups are made once, then replayed.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::adapter::Adapter;
use super::encode::{Command, PreparedCopy, PreparedDispatch, encode};
use super::kernel::Reflection;
use super::pace::{Pace, work};
use super::pipeline_cache::{self, PipelineFile};
use super::pipelines::{Pipelines, compile, texels};
use super::profile::Timings;
use super::program::{Dispatch, Item, Plan, ProgramId, Runner, Usage};
use super::readback::{PendingReadback, staging};
use super::tensor::Tensor;
use super::textures::{TextureId, TextureSpec};
use super::timestamps::{self, Profiler};
use super::unsafe_calls;
use crate::error::{Error, Result};

/// Small read-backs in flight: more would let the host run that many steps ahead of the GPU.
const RING: usize = 4;

/// After which a GPU is taken for one that never answers again: drivers end a submit after seconds.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same for software adapters, on which a step of the reference model takes minutes.
const SOFTWARE_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// A plan on a device.
pub struct GpuRunner {
    pub(super) plan: Plan,
    pub(super) name: String,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) buffers: Vec<wgpu::Buffer>,
    pub(super) programs: Vec<Vec<Command>>,
    flights: VecDeque<PendingReadback>,
    spare: Vec<wgpu::Buffer>,
    pub(super) pace: Pace,
    patience: Duration,
    failure: Arc<Mutex<Option<String>>>,
    submits: u64,
    pub(super) profiler: Option<Profiler>,
}

impl GpuRunner {
    /// Opens `adapter` with the limits that `plan` needs, allocates its buffers and compiles its kernels.
    ///
    /// # Errors
    /// [`Error::Limit`] where the plan does not fit, [`Error::Device`] where the device refuses.
    pub fn new(adapter: &Adapter, plan: Plan) -> Result<Self> {
        Self::with(adapter, plan, wgpu::Features::empty())
    }

    /// The same with timestamps, where the adapter has them, for [`GpuRunner::time`] and [`Runner::profile`].
    ///
    /// # Errors
    /// As [`GpuRunner::new`].
    pub fn timed(adapter: &Adapter, plan: Plan) -> Result<Self> {
        Self::with(adapter, plan, timestamps::features(adapter))
    }

    fn with(adapter: &Adapter, plan: Plan, features: wgpu::Features) -> Result<Self> {
        adapter.target().check(&plan)?;
        let (device, queue) = open(adapter, &plan, features)?;
        let failure = Arc::new(Mutex::new(None));
        watch(&device, &failure);
        let (buffers, textures) = allocate(&device, &plan)?;
        let mut runner = Self {
            name: adapter.describe(),
            buffers,
            device,
            queue,
            programs: Vec::new(),
            flights: VecDeque::new(),
            spare: Vec::new(),
            pace: if adapter.is_software() { Pace::unbounded() } else { Pace::unknown() },
            patience: if adapter.is_software() { SOFTWARE_PATIENCE } else { PATIENCE },
            failure,
            submits: 0,
            profiler: None,
            plan,
        };
        let stored = PipelineFile::open(&runner.device, adapter);
        let pipelines = compile(&runner.device, &runner.plan, stored.as_ref().map(PipelineFile::cache));
        runner.healthy()?;
        // a folder that cannot be written makes the next start slower, and nothing else
        let _ = stored.map_or(Ok(()), |stored| stored.save());
        let memory = Memory { buffers: &runner.buffers, textures: &textures };
        for program in &runner.plan.programs {
            let entries = program.items.iter().map(|item| match item {
                Item::Clear(buffer) => Command::Clear(buffer.0),
                Item::TextureCopy(copy) => Command::Copy(PreparedCopy {
                    buffer: copy.tensor.buffer.0,
                    offset: copy.tensor.byte_offset(),
                    texels: copy.tensor.len() / 4,
                    spec: runner.plan.textures()[copy.texture.0],
                    texture: memory.textures[copy.texture.0].clone(),
                }),
                Item::Dispatch(d) => Command::Dispatch(prepare(&runner.device, memory, &pipelines, d)),
            });
            let entries = entries.collect();
            runner.programs.push(entries);
        }
        runner.healthy()?;
        Ok(runner)
    }

    /// An error, if the device has reported one since the start.
    fn healthy(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |message| {
            Err(Error::Device(format!(
                "{}: {message}\nIf memory ran out or the driver ended a long computation, lower --micro-batch.",
                self.name
            )))
        })
    }

    pub(super) fn wait(&mut self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let began = Instant::now();
        let timeout = Some(self.patience);
        self.device
            .poll(wgpu::PollType::Wait { submission_index: submission, timeout })
            .map_err(|e| Error::Device(format!("{}: {e}", self.name)))?;
        self.note("wait", began);
        self.healthy()
    }

    pub(super) fn submit(&mut self, commands: wgpu::CommandBuffer) -> wgpu::SubmissionIndex {
        self.submits += 1;
        self.queue.submit([commands])
    }

    /// The same for `work`, which is timed while the device's speed is not known.
    fn submit_paced(&mut self, commands: wgpu::CommandBuffer, work: u64) -> Result<()> {
        if !self.pace.times(work) {
            self.submit(commands);
            return Ok(());
        }
        self.wait(None)?; // what was submitted before is not part of it
        let began = Instant::now();
        let submission = self.submit(commands);
        self.wait(Some(submission))?;
        self.pace.took(work, began.elapsed());
        Ok(())
    }

    /// Where it is being profiled: the host has done `what` from `began` until now.
    fn note(&mut self, what: &'static str, began: Instant) {
        if let Some(profiler) = &mut self.profiler {
            profiler.host(what, began);
        }
    }

    fn fetch(&mut self, tensor: &Tensor, tag: u64, buffer: wgpu::Buffer) -> PendingReadback {
        let began = Instant::now();
        self.submits += 1;
        let from = (&self.buffers[tensor.buffer.0], tensor.byte_offset(), tensor.bytes());
        let flight = PendingReadback::start((&self.device, &self.queue), from, tag, buffer);
        self.note("submit", began);
        flight
    }
}

/// A device with WebGPU's default limits, raised where the plan needs it.
fn open(adapter: &Adapter, plan: &Plan, features: wgpu::Features) -> Result<(wgpu::Device, wgpu::Queue)> {
    let mut limits = wgpu::Limits::default().or_worse_values_from(&adapter.limits);
    let largest = plan.buffers.iter().map(|b| 4 * b.len).max().unwrap_or(0);
    let dispatches = || plan.programs.iter().flat_map(super::program::Program::dispatches);
    let buffers = |d: &'_ Dispatch| -> u64 {
        let bound = d.bindings.iter().zip(&d.textures).filter(|(_, texture)| texture.is_none());
        bound.map(|(tensor, _)| tensor.bytes()).max().unwrap_or(0)
    };
    let widest = dispatches().map(buffers).max().unwrap_or(0);
    limits.max_buffer_size = limits.max_buffer_size.max(largest).min(adapter.limits.max_buffer_size);
    limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.max(widest);
    let needs = |feature, needed: fn(&Reflection) -> bool| {
        let needed = dispatches().any(|d| needed(&d.reflection));
        if needed { feature } else { wgpu::Features::empty() }
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("wgvae"),
        required_features: features
            | pipeline_cache::feature(adapter)
            | needs(wgpu::Features::SUBGROUP, |r| r.subgroups)
            | needs(wgpu::Features::SHADER_F16, |r| r.f16)
            | needs(wgpu::Features::SHADER_INT64, |r| r.int64)
            | needs(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, |r| r.cooperative),
        experimental_features: if dispatches().any(|d| d.reflection.cooperative) {
            unsafe_calls::experimental()
        } else {
            wgpu::ExperimentalFeatures::disabled()
        },
        required_limits: limits,
        memory_hints: wgpu::MemoryHints::Performance,
        ..Default::default()
    };
    pollster::block_on(adapter.inner.request_device(&descriptor))
        .map_err(|e| Error::Device(format!("{}: no device: {e}", adapter.describe())))
}

/// Keeps the first thing that the device reports outside a call.
fn watch(device: &wgpu::Device, failure: &Arc<Mutex<Option<String>>>) {
    let keep = |failure: Arc<Mutex<Option<String>>>| {
        move |message: String| {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        }
    };
    let uncaptured = keep(failure.clone());
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured(error.to_string())));
    let lost = keep(failure.clone());
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            lost(format!("the device was lost: {message}"));
        }
    });
}

fn allocate(device: &wgpu::Device, plan: &Plan) -> Result<(Vec<wgpu::Buffer>, Vec<wgpu::Texture>)> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffers = plan
        .buffers
        .iter()
        .map(|spec| {
            let kind = match spec.usage {
                Usage::Uniform => wgpu::BufferUsages::UNIFORM,
                Usage::State | Usage::Activation => wgpu::BufferUsages::STORAGE,
            };
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&spec.label),
                size: (4 * spec.len).next_multiple_of(16),
                usage: kind | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
        .collect();
    let textures = plan.textures().iter().map(|spec| texture(device, spec)).collect();
    match pollster::block_on(scope.pop()) {
        None => Ok((buffers, textures)),
        Some(error) => Err(Error::Device(format!(
            "out of memory: the plan takes {:.1} GiB on the device; lower --micro-batch, --size or --hidden ({error})",
            plan.bytes() as f64 / f64::from(1 << 30)
        ))),
    }
}

fn texture(device: &wgpu::Device, spec: &TextureSpec) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("texture of a tensor"),
        size: wgpu::Extent3d { width: spec.pitch(), height: spec.rows, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: texels(spec.element),
        usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// What bind groups bind, by its place in the plan.
#[derive(Clone, Copy)]
struct Memory<'a> {
    buffers: &'a [wgpu::Buffer],
    textures: &'a [wgpu::Texture],
}

fn prepare(
    device: &wgpu::Device,
    memory: Memory<'_>,
    pipelines: &Pipelines,
    d: &Dispatch,
) -> PreparedDispatch {
    let pipeline = pipelines[&d.source].clone();
    let view = |texture: &Option<TextureId>| {
        texture.map(|texture| memory.textures[texture.0].create_view(&wgpu::TextureViewDescriptor::default()))
    };
    let views: Vec<Option<wgpu::TextureView>> = d.textures.iter().map(view).collect();
    let entries: Vec<wgpu::BindGroupEntry<'_>> = (0u32..)
        .zip(d.bindings.iter().zip(&views))
        .map(|(binding, (tensor, view))| wgpu::BindGroupEntry {
            binding,
            resource: match view {
                Some(view) => wgpu::BindingResource::TextureView(view),
                None => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &memory.buffers[tensor.buffer.0],
                    offset: tensor.byte_offset(),
                    size: std::num::NonZeroU64::new(tensor.bytes()),
                }),
            },
        })
        .collect();
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(&d.label),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    PreparedDispatch {
        label: d.label.clone(),
        pipeline,
        bind_group,
        groups: d.groups,
        work: work(d.flops(), d.bytes()),
    }
}

impl Runner for GpuRunner {
    fn write(&mut self, tensor: &Tensor, words: &[u32]) {
        let fits = 4 * words.len() as u64 <= tensor.bytes();
        assert!(fits, "write: {} words to {}", words.len(), tensor.shape);
        let began = Instant::now();
        let buffer = &self.buffers[tensor.buffer.0];
        self.queue.write_buffer(buffer, tensor.byte_offset(), bytemuck::cast_slice(words));
        self.note("write", began);
    }

    fn run(&mut self, programs: &[ProgramId]) -> Result<()> {
        if let Some(mut profiler) = self.profiler.take() {
            let done = programs.iter().try_for_each(|id| self.run_profiled(&mut profiler, *id));
            self.profiler = Some(profiler);
            return done.and_then(|()| self.healthy());
        }
        for id in programs {
            let mut at = 0;
            while at < self.programs[id.0].len() {
                let label = Some(self.plan.get(*id).name);
                let mut encoder =
                    self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
                let entries = &self.programs[id.0][at..];
                let (done, work) = encode(&mut encoder, &self.buffers, entries, self.pace.budget());
                at += done;
                self.submit_paced(encoder.finish(), work)?;
            }
        }
        self.healthy()
    }

    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        let buffer = staging(&self.device, tensor.bytes());
        let flight = self.fetch(tensor, 0, buffer);
        self.wait(Some(flight.submission.clone()))?;
        let words: Vec<u32> = flight.values(&self.name)?;
        flight.buffer.unmap();
        Ok(tensor.element.unpack(&words))
    }

    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()> {
        if self.flights.len() >= RING
            && let Some(oldest) = self.flights.front()
        {
            let submission = oldest.submission.clone();
            self.wait(Some(submission))?;
        }
        let fits = |b: &wgpu::Buffer| b.size() >= tensor.bytes();
        let buffer = match self.spare.iter().position(fits) {
            Some(at) => self.spare.swap_remove(at),
            None => staging(&self.device, tensor.bytes()),
        };
        let flight = self.fetch(tensor, tag, buffer);
        self.flights.push_back(flight);
        Ok(())
    }

    fn poll_readbacks(&mut self, wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        if wait && !self.flights.is_empty() {
            self.wait(None)?;
        } else {
            let polled = self.device.poll(wgpu::PollType::Poll);
            polled.map_err(|e| Error::Device(format!("{}: {e}", self.name)))?;
        }
        let mut values = Vec::new();
        while let Some(flight) = self.flights.pop_front() {
            match flight.done.try_recv() {
                Ok(Ok(())) => {
                    values.push((flight.tag, flight.values(&self.name)?));
                    flight.buffer.unmap();
                    self.spare.push(flight.buffer);
                }
                Err(mpsc::TryRecvError::Empty) => {
                    self.flights.push_front(flight);
                    break;
                }
                Ok(Err(_)) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.healthy()?;
                    return Err(Error::Device(format!("{}: a read-back was dropped", self.name)));
                }
            }
        }
        self.healthy()?;
        Ok(values)
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn lose_device(&mut self) {
        self.device.destroy();
    }

    fn submits(&self) -> u64 {
        self.submits
    }

    fn profile(&mut self, on: bool) -> Result<()> {
        self.set_profile(on)
    }

    fn timings(&mut self) -> Result<Timings> {
        self.take_timings()
    }
}
