//! How kernels fetch what they read the most of: from images of it, or from where it lies.

use crate::gpu::kernel::Source;
use crate::wgsl;

/// The files that give a product `left_at` and `right_at`.
pub(super) fn factors(images: bool) -> Vec<Source> {
    if images {
        vec![wgsl!("gemm_images.wgsl"), wgsl!("texel.wgsl")]
    } else {
        vec![wgsl!("gemm_buffers.wgsl")]
    }
}

/// The files that give a kernel with one such operand, `source`, its `source_at`.
pub(super) fn source(images: bool) -> Vec<Source> {
    if images {
        vec![wgsl!("source_image.wgsl"), wgsl!("texel.wgsl")]
    } else {
        vec![wgsl!("source_buffer.wgsl")]
    }
}
