//! Encoding of prepared commands into wgpu's command buffers. Knows nothing of plans.

use crate::gpu::textures::TextureSpec;

/// A dispatch ready to be replayed.
pub(super) struct PreparedDispatch {
    pub(super) label: String,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) groups: [u32; 3],
    /// see [`crate::gpu::Dispatch::work`]
    pub(super) work: u64,
}

impl PreparedDispatch {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.insert_debug_marker(&self.label);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], self.groups[2]);
    }
}

/// A copy of a tensor to a texture, ready to be replayed.
pub(super) struct PreparedCopy {
    /// by its place in the plan
    pub(super) buffer: usize,
    /// bytes before the tensor
    pub(super) offset: u64,
    pub(super) texels: u32,
    pub(super) spec: TextureSpec,
    pub(super) texture: wgpu::Texture,
}

impl PreparedCopy {
    /// Copies the full rows, then the remainder in the last row.
    fn record(&self, encoder: &mut wgpu::CommandEncoder, buffers: &[wgpu::Buffer]) {
        let full = self.spec.width;
        let row = self.spec.texel() * full;
        let (rows, rest) = (self.texels / full, self.texels % full);
        for (y, width, height) in [(0, full, rows), (rows, rest, 1)] {
            if width * height == 0 {
                continue;
            }
            let from = wgpu::TexelCopyBufferInfo {
                buffer: &buffers[self.buffer],
                layout: wgpu::TexelCopyBufferLayout {
                    offset: self.offset + u64::from(row) * u64::from(y),
                    bytes_per_row: Some(row),
                    rows_per_image: None,
                },
            };
            let to = wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d { x: 0, y, z: 0 },
                ..self.texture.as_image_copy()
            };
            encoder.copy_buffer_to_texture(
                from,
                to,
                wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            );
        }
    }
}

/// A prepared item of a program.
pub(super) enum Command {
    Dispatch(PreparedDispatch),
    /// by the buffer's place in the plan
    Clear(usize),
    Copy(PreparedCopy),
}

impl Command {
    pub(super) fn is_dispatch(&self) -> bool {
        matches!(self, Self::Dispatch(_))
    }

    /// Encodes a clear or a copy, which run outside passes; nothing for a dispatch.
    pub(super) fn record_outside(&self, encoder: &mut wgpu::CommandEncoder, buffers: &[wgpu::Buffer]) {
        match self {
            Self::Dispatch(_) => {}
            Self::Clear(buffer) => encoder.clear_buffer(&buffers[*buffer], 0, None),
            Self::Copy(copy) => copy.record(encoder, buffers),
        }
    }
}

/// Encodes commands up to a budget of work. Returns how many, and their work.
pub(super) fn encode(
    encoder: &mut wgpu::CommandEncoder,
    buffers: &[wgpu::Buffer],
    commands: &[Command],
    budget: u64,
) -> (usize, u64) {
    let (mut done, mut work) = (0, 0u64);
    while done < commands.len() && work < budget {
        if !commands[done].is_dispatch() {
            commands[done].record_outside(encoder, buffers);
            done += 1;
            continue;
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        while let Some(Command::Dispatch(d)) = commands.get(done) {
            d.record(&mut pass);
            done += 1;
            work = work.saturating_add(d.work);
            if work >= budget {
                break;
            }
        }
    }
    (done, work)
}

/// Encodes all of `commands`, with one pass for each run of consecutive dispatches. With a query set, its query 0 is
/// written at the beginning and its query 1 at the end of the last pass.
pub(super) fn encode_between(
    encoder: &mut wgpu::CommandEncoder,
    buffers: &[wgpu::Buffer],
    commands: &[&Command],
    queries: Option<&wgpu::QuerySet>,
) {
    let rows: Vec<&[&Command]> = commands.chunk_by(|a, b| a.is_dispatch() && b.is_dispatch()).collect();
    let begins_outside = rows.first().is_some_and(|row| !row[0].is_dispatch());
    if let (true, Some(query_set)) = (begins_outside, queries) {
        // an empty pass, so that the time includes copies before the first dispatch
        let writes = wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: None,
        };
        encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) });
    }
    let first = rows.iter().position(|row| row[0].is_dispatch() && !begins_outside);
    let last = rows.iter().rposition(|row| row[0].is_dispatch());
    for (at, row) in rows.iter().enumerate() {
        if !row[0].is_dispatch() {
            row[0].record_outside(encoder, buffers);
            continue;
        }
        let begins = (first == Some(at)).then_some(0);
        let ends = (last == Some(at)).then_some(1);
        let timestamp_writes = queries.filter(|_| begins.is_some() || ends.is_some()).map(|query_set| {
            wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: begins,
                end_of_pass_write_index: ends,
            }
        });
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        for command in *row {
            if let Command::Dispatch(d) = command {
                d.record(&mut pass);
            }
        }
    }
}
