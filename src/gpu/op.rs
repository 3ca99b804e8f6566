//! The trait that every kernel's host side implements, and one recorded dispatch of it.
//!
//! Read [`Op`] to add a kernel. It describes the kernel without a device: files, sizes, operands, cost, and the CPU twin.

use std::sync::Arc;

use super::ids::TextureId;
use super::kernel::{Access, Alias, Constant, Kernel, Reflection};
use super::tensor::{Shape, Tensor};

/// Floating-point operations that count as much as one byte moved, about what GPUs do in its time.
const PER_BYTE: u64 = 16;
/// The number of workgroups per dimension that WebGPU guarantees.
pub(super) const MAX_GROUPS: u32 = 65_535;

/// One operation with its sizes: everything that a dispatch of it needs.
pub trait Op: Send + Sync + 'static {
    /// The kernel's files.
    fn kernel(&self) -> Kernel;
    /// Name and value of each field of its `struct Params`, in order.
    fn params(&self) -> Vec<Constant>;
    /// Further `const` lines of the header.
    fn constants(&self) -> Vec<Constant> {
        Vec::new()
    }
    /// Name and shape of each binding in order. Uniforms are named `step`.
    fn operands(&self) -> Vec<(&'static str, Shape)>;
    /// For each operand that may be f32 or f16, in the order of the operands: the name of its element type in WGSL. The
    /// others, and operands beyond the end of the list, are 32 bits wide.
    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[]
    }
    /// Further `alias` lines of the header.
    fn type_aliases(&self) -> Vec<Alias> {
        Vec::new()
    }
    /// Workgroups, in one row.
    fn groups(&self) -> u64;
    /// Floating-point operations.
    fn flops(&self) -> u64;
    /// Whether it reads its outputs before it writes them. Their bytes then count twice.
    fn reads_output(&self) -> bool {
        false
    }
    /// The least number of bytes that must move. `None` counts every operand once, and outputs twice if they are read.
    fn bytes(&self) -> Option<u64> {
        None
    }
    /// The CPU twin: plain loops with sums in `f64`. `buffers` are the bindings in order. Words that are not floats
    /// (pixels, uniforms) are passed as their bits.
    fn twin(&self, buffers: &mut [Vec<f32>]);
}

/// One dispatch of a program.
pub struct Dispatch {
    /// Its purpose in the network: `encoder.2 forward`.
    pub label: String,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The kernel as composed for these sizes.
    pub source: Arc<str>,
    /// The kernel's interface as naga reads it.
    pub reflection: Arc<Reflection>,
    /// The tensors bound, in binding order.
    pub bindings: Vec<Tensor>,
    /// For each binding, the texture that the kernel reads in place of the buffer, if any.
    pub textures: Vec<Option<TextureId>>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// The operation, for its twin and its cost.
    pub op: Box<dyn Op>,
}

impl Dispatch {
    /// Floating-point operations.
    pub fn flops(&self) -> u64 {
        self.op.flops()
    }

    /// Its work in floating-point operations: its own, or the equivalent of its bytes if that is more.
    pub fn work(&self) -> u64 {
        self.flops().max(self.bytes().saturating_mul(PER_BYTE))
    }

    /// The tensors that it writes to.
    pub fn written(&self) -> impl Iterator<Item = &Tensor> {
        let bound = self.bindings.iter().zip(&self.reflection.bindings);
        bound.filter(|(_, (_, access))| *access == Access::ReadWrite).map(|(tensor, _)| tensor)
    }

    /// The least number of bytes that must move: every operand once, or twice if it is read and written. A kernel that
    /// loads an operand again and misses every cache moves more.
    pub fn bytes(&self) -> u64 {
        let reads_output = self.op.reads_output();
        let bindings = self.bindings.iter().zip(&self.reflection.bindings);
        let moved = bindings.map(|(tensor, (_, access))| match access {
            Access::ReadWrite if reads_output => 2 * tensor.bytes(),
            _ => tensor.bytes(),
        });
        self.op.bytes().unwrap_or_else(|| moved.sum())
    }
}

/// Folds a row of workgroups into two dimensions if it is longer than WebGPU allows. Kernels skip the surplus.
///
/// # Panics
/// If two dimensions are too few.
pub(super) fn fold(groups: u64) -> [u32; 3] {
    let groups = groups.max(1);
    let y = groups.div_ceil(u64::from(MAX_GROUPS));
    let x = groups.div_ceil(y);
    assert!(y <= u64::from(MAX_GROUPS), "{groups} workgroups do not fit two dimensions");
    [x as u32, y as u32, 1]
}
