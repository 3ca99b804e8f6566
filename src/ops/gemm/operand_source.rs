//! How kernels fetch what they read the most of: from textures of it, or from where it lies.

use crate::gpu::kernel::Source;
use crate::wgsl;

/// The files that give a product `left_at` and `right_at`.
pub(in crate::ops) fn factors(textures: bool) -> Vec<Source> {
    if textures {
        vec![wgsl!("gemm/gemm_textures.wgsl"), wgsl!("common/texel.wgsl")]
    } else {
        vec![wgsl!("gemm/gemm_buffers.wgsl")]
    }
}

/// The files that give a kernel with one such operand, `source`, its `source_at`.
pub(in crate::ops) fn source(textures: bool) -> Vec<Source> {
    if textures {
        vec![wgsl!("common/source_texture.wgsl"), wgsl!("common/texel.wgsl")]
    } else {
        vec![wgsl!("common/source_buffer.wgsl")]
    }
}
