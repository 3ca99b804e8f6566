//! Asynchronous read-back of buffers from the device to the host.

use std::cell::Cell;
use std::sync::mpsc;
use std::time::Instant;

use crate::error::{Error, Result};

/// A copy of tensors to the host that is under way.
pub struct Reading(pub(in crate::gpu) ReadingState);

/// The copy of a [`Reading`].
pub(in crate::gpu) enum ReadingState {
    /// from host memory: it is there
    Values(Vec<f32>),
    /// from a device
    Pending(PendingReadback),
    /// from a device that only takes time: when it is there, and its length
    Later(Instant, usize),
}

/// A read-back that was submitted and has not been taken yet.
pub(in crate::gpu) struct PendingReadback {
    pub(super) tag: u64,
    pub(super) buffer: wgpu::Buffer,
    pub(super) done: mpsc::Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
    pub(super) submission: wgpu::SubmissionIndex,
    bytes: u64,
    /// whether `done` has said so
    there: Cell<bool>,
}

impl PendingReadback {
    /// Submits copies of ranges, each a buffer with its first byte and its length, to `buffer` end to end, and requests its
    /// mapping.
    pub(super) fn start(
        (device, queue): (&wgpu::Device, &wgpu::Queue),
        sources: &[(&wgpu::Buffer, u64, u64)],
        tag: u64,
        buffer: wgpu::Buffer,
    ) -> Self {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("read") };
        let mut encoder = device.create_command_encoder(&descriptor);
        let mut bytes = 0;
        for (source, offset, len) in sources {
            encoder.copy_buffer_to_buffer(source, *offset, &buffer, bytes, *len);
            bytes += len;
        }
        let submission = queue.submit([encoder.finish()]);
        let (sender, done) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
            let _ = sender.send(result); // fails only if the runner was dropped
        });
        Self { tag, buffer, done, submission, bytes, there: Cell::new(false) }
    }

    /// Whether it is there; the device has to be polled for it.
    pub(super) fn has_arrived(&self) -> bool {
        if !matches!(self.done.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            self.there.set(true);
        }
        self.there.get()
    }

    /// The values, once the submission has been waited for; `name` is the adapter's, for errors.
    pub(super) fn values<T: bytemuck::Pod>(&self, name: &str) -> Result<Vec<T>> {
        let view = self
            .buffer
            .get_mapped_range(..self.bytes)
            .map_err(|e| Error::Device(format!("{name}: read-back: {e:?}")))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

/// A buffer that the host can read.
pub(super) fn staging(device: &wgpu::Device, bytes: u64) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("read-back"),
        size: bytes,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
