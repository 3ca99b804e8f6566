//! An open device: its queue, its time limit, and the first error that it reports.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pipeline_cache;
use crate::error::{Error, Result};
use crate::gpu::adapter::Adapter;
use crate::gpu::kernel::Reflection;
use crate::gpu::op::Dispatch;
use crate::gpu::plan::Plan;
use crate::gpu::unsafe_calls;

/// The time after which a GPU counts as hung. Drivers end a submit after seconds.
const TIMEOUT: Duration = Duration::from_secs(600);
/// This limit for software adapters, on which a step of the reference model takes minutes.
const SOFTWARE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A device with its queue.
pub(super) struct OpenDevice {
    /// the adapter's name, for errors
    pub(super) name: String,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// submits so far
    pub(super) submits: u64,
    timeout: Duration,
    failure: Arc<Mutex<Option<String>>>,
}

impl OpenDevice {
    /// Opens `adapter` with WebGPU's default limits, raised as far as the plan needs it, and with `features` and those that
    /// the plan's kernels need.
    pub(super) fn open(adapter: &Adapter, plan: &Plan, features: wgpu::Features) -> Result<Self> {
        let (device, queue) = request(adapter, plan, features)?;
        let failure = Arc::new(Mutex::new(None));
        watch(&device, &failure);
        let timeout = if adapter.is_software() { SOFTWARE_TIMEOUT } else { TIMEOUT };
        Ok(Self { name: adapter.describe(), device, queue, submits: 0, timeout, failure })
    }

    /// Returns an error if the device has reported one since it was opened.
    pub(super) fn healthy(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |message| {
            Err(Error::Device(format!(
                "{}: {message}\nIf memory ran out or the driver ended a long computation, lower --micro-batch.",
                self.name
            )))
        })
    }

    /// Waits for `submission`, or for all of them.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let timeout = Some(self.timeout);
        self.device
            .poll(wgpu::PollType::Wait { submission_index: submission, timeout })
            .map_err(|e| Error::Device(format!("{}: {e}", self.name)))?;
        self.healthy()
    }

    pub(super) fn submit(&mut self, commands: wgpu::CommandBuffer) -> wgpu::SubmissionIndex {
        self.submits += 1;
        self.queue.submit([commands])
    }

    pub(super) fn encoder(&self, label: &str) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
    }
}

fn request(adapter: &Adapter, plan: &Plan, features: wgpu::Features) -> Result<(wgpu::Device, wgpu::Queue)> {
    let mut limits = wgpu::Limits::default().or_worse_values_from(&adapter.limits);
    let largest = plan.buffers.iter().map(|b| 4 * b.len).max().unwrap_or(0);
    let dispatches = || plan.programs.iter().flat_map(|program| program.dispatches());
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

/// Stores in `failure` the first error that the device reports outside a call.
fn watch(device: &wgpu::Device, failure: &Arc<Mutex<Option<String>>>) {
    let store = |failure: Arc<Mutex<Option<String>>>| {
        move |message: String| {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        }
    };
    let uncaptured = store(failure.clone());
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured(error.to_string())));
    let lost = store(failure.clone());
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            lost(format!("the device was lost: {message}"));
        }
    });
}
