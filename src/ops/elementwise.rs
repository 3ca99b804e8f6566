//! Passes over memory: how many vec4s a workgroup takes, the same for every such kernel.
//!
//! A workgroup of `threads` takes `threads * each` consecutive vec4s, each invocation every `threads`-th of
//! them, so that neighbours read neighbours. `elementwise.wgsl` is the same in WGSL.

use crate::gpu::kernel::Constant;

/// How a pass over memory is cut up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elementwise {
    /// invocations of a workgroup
    pub threads: u32,
    /// vec4s that each of them takes
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
