//! Launch configuration of elementwise kernels: workgroup size and vec4s per invocation.
//!
//! A workgroup of `threads` takes `threads * vec4s_per_thread` consecutive vec4s, each invocation every `threads`-th of
//! them, so that neighbouring invocations read neighbouring vec4s. `elementwise.wgsl` has the WGSL side.

use crate::gpu::kernel::Constant;

/// Launch configuration of an elementwise kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elementwise {
    /// invocations of a workgroup
    pub threads: u32,
    /// vec4s per invocation
    pub vec4s_per_thread: u32,
}

impl Default for Elementwise {
    fn default() -> Self {
        Self { threads: 64, vec4s_per_thread: 1 }
    }
}

impl From<[u32; 2]> for Elementwise {
    fn from([threads, vec4s_per_thread]: [u32; 2]) -> Self {
        Self { threads, vec4s_per_thread }
    }
}

impl Elementwise {
    /// The constants of `elementwise.wgsl`.
    pub fn constants(self) -> Vec<Constant> {
        vec![("THREADS", self.threads.into()), ("EACH", self.vec4s_per_thread.into())]
    }

    /// Workgroups for `items` vec4s.
    pub fn groups(self, items: u32) -> u64 {
        u64::from(items).div_ceil(u64::from(self.threads * self.vec4s_per_thread))
    }
}
