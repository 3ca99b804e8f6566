//! Compilation of composed kernels: one pipeline for each, on all cores.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::gpu::dead_branches::pruned;
use crate::gpu::kernel::{self, Access, Reflection};
use crate::gpu::op::Dispatch;
use crate::gpu::plan::Plan;
use crate::gpu::program::Program;
use crate::gpu::tensor::Element;

/// Pipelines by composed source text.
pub(super) type Pipelines = HashMap<Arc<str>, wgpu::ComputePipeline>;

/// One pipeline per composed kernel, compiled on all cores, and counted in `compiled`.
pub(super) fn compile(
    device: &wgpu::Device,
    plan: &Plan,
    cache: Option<&wgpu::PipelineCache>,
    compiled: &AtomicUsize,
) -> Pipelines {
    let dispatches = plan.programs.iter().flat_map(Program::dispatches);
    let unique: HashMap<Arc<str>, &Dispatch> = dispatches.map(|d| (d.source.clone(), d)).collect();
    let unique: Vec<(Arc<str>, &Dispatch)> = unique.into_iter().collect();
    let one = |(source, dispatch)| {
        let pipeline = pipeline(device, dispatch, cache);
        compiled.fetch_add(1, Ordering::Relaxed);
        (source, pipeline)
    };
    unique.into_par_iter().map(one).collect()
}

/// The pipeline of a kernel.
pub(super) fn pipeline(
    device: &wgpu::Device,
    dispatch: &Dispatch,
    cache: Option<&wgpu::PipelineCache>,
) -> wgpu::ComputePipeline {
    let module = pruned(kernel::parse(dispatch.kernel, &dispatch.source));
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(dispatch.kernel),
        source: wgpu::ShaderSource::Naga(Cow::Owned(module)),
    });
    let layout = bind_group_layout(device, dispatch.kernel, &dispatch.reflection);
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(dispatch.kernel),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(dispatch.kernel),
        layout: Some(&layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // every kernel writes workgroup memory before it reads it
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache,
    })
}

fn bind_group_layout(device: &wgpu::Device, name: &str, reflection: &Reflection) -> wgpu::BindGroupLayout {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0u32..)
        .zip(&reflection.bindings)
        .map(|(binding, (_, access))| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: binding_type(*access),
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries })
}

/// The format of a texture whose texels are four elements.
pub(super) fn texels(element: Element) -> wgpu::TextureFormat {
    match element {
        Element::F32 => wgpu::TextureFormat::Rgba32Float,
        Element::F16 => wgpu::TextureFormat::Rgba16Float,
    }
}

fn binding_type(access: Access) -> wgpu::BindingType {
    let ty = match access {
        Access::Uniform => wgpu::BufferBindingType::Uniform,
        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
        Access::Texture(element) => {
            return wgpu::BindingType::StorageTexture {
                access: wgpu::StorageTextureAccess::ReadOnly,
                format: texels(element),
                view_dimension: wgpu::TextureViewDimension::D2,
            };
        }
    };
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}
