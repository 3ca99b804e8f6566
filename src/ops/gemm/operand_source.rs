//! The source of a kernel's largest operands: texture copies, or their buffers.

use crate::gpu::kernel::Source;
use crate::wgsl;

/// The files that define `left_at` and `right_at` for a product.
pub(in crate::ops) fn factors(textures: bool) -> Vec<Source> {
    if textures {
        vec![wgsl!("gemm/gemm_textures.wgsl"), wgsl!("common/texel.wgsl")]
    } else {
        vec![wgsl!("gemm/gemm_buffers.wgsl")]
    }
}

/// The files that define `source_at` for a kernel with one such operand, `source`.
pub(in crate::ops) fn source(textures: bool) -> Vec<Source> {
    if textures {
        vec![wgsl!("common/source_texture.wgsl"), wgsl!("common/texel.wgsl")]
    } else {
        vec![wgsl!("common/source_buffer.wgsl")]
    }
}
