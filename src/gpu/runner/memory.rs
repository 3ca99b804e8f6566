//! A plan's buffers and textures on a device, and the bind groups of its dispatches.

use super::encode::{Command, PreparedCopy, PreparedDispatch};
use super::pipelines::{Pipelines, texels};
use crate::error::{Error, Result};
use crate::gpu::ids::TextureId;
use crate::gpu::op::Dispatch;
use crate::gpu::plan::{Plan, Usage};
use crate::gpu::program::Item;
use crate::gpu::textures::TextureSpec;

/// Buffers and textures by their place in the plan.
pub(super) struct Memory {
    pub(super) buffers: Vec<wgpu::Buffer>,
    textures: Vec<wgpu::Texture>,
}

impl Memory {
    /// Allocates everything that `plan` needs, filled with zeros.
    pub(super) fn allocate(device: &wgpu::Device, plan: &Plan) -> Result<Self> {
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
            None => Ok(Self { buffers, textures }),
            Some(error) => Err(Error::Device(format!(
                "out of memory: the plan takes {:.1} GiB on the device; lower --micro-batch, --size or --hidden ({error})",
                plan.bytes() as f64 / f64::from(1 << 30)
            ))),
        }
    }

    /// One item of a program of `plan` as a command.
    pub(super) fn prepare(
        &self,
        device: &wgpu::Device,
        pipelines: &Pipelines,
        plan: &Plan,
        item: &Item,
    ) -> Command {
        match item {
            Item::Clear(buffer) => Command::Clear(buffer.0),
            Item::TextureCopy(copy) => Command::Copy(PreparedCopy {
                buffer: copy.tensor.buffer.0,
                offset: copy.tensor.byte_offset(),
                texels: copy.tensor.len() / 4,
                spec: plan.textures()[copy.texture.0],
                texture: self.textures[copy.texture.0].clone(),
            }),
            Item::Dispatch(d) => Command::Dispatch(self.prepare_dispatch(device, pipelines, d)),
        }
    }

    fn prepare_dispatch(
        &self,
        device: &wgpu::Device,
        pipelines: &Pipelines,
        d: &Dispatch,
    ) -> PreparedDispatch {
        let pipeline = pipelines[&d.source].clone();
        let view = |texture: &Option<TextureId>| {
            texture
                .map(|texture| self.textures[texture.0].create_view(&wgpu::TextureViewDescriptor::default()))
        };
        let views: Vec<Option<wgpu::TextureView>> = d.textures.iter().map(view).collect();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0u32..)
            .zip(d.bindings.iter().zip(&views))
            .map(|(binding, (tensor, view))| wgpu::BindGroupEntry {
                binding,
                resource: match view {
                    Some(view) => wgpu::BindingResource::TextureView(view),
                    None => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &self.buffers[tensor.buffer.0],
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
        PreparedDispatch { label: d.label.clone(), pipeline, bind_group, groups: d.groups, work: d.work() }
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
