//! How kernels that read one large operand fetch it.

use crate::gpu::kernel::Source;
use crate::wgsl;

/// The files that give a kernel `source_at`: from an image of its operand `source`, or from where it lies.
pub(super) fn source(images: bool) -> Vec<Source> {
    if images {
        vec![wgsl!("source_image.wgsl"), wgsl!("texel.wgsl")]
    } else {
        vec![wgsl!("source_buffer.wgsl")]
    }
}
