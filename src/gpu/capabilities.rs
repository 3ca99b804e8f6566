//! Limits and optional features of an adapter, as far as a plan depends on them.

use super::tensor::Element;

/// A cooperative matrix product that an adapter supports: `size x size` by `size x size`, summed in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fragment {
    /// rows and columns of a fragment: 8 or 16
    pub size: u32,
    /// element type of the factors
    pub element: Element,
    /// minimum and maximum lanes of the subgroups that multiply it
    pub lanes: [u32; 2],
}

/// The maker of an adapter, whose compiler decides which kernels are fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// RDNA and GCN
    Amd,
    /// the GPUs of Macs
    Apple,
    /// integrated GPUs and Arc
    Intel,
    /// GeForce, RTX and their relatives
    Nvidia,
    /// Adreno
    Qualcomm,
    /// another one, or unknown
    Other,
}

impl Vendor {
    /// The vendor with this PCI identifier. Metal has none and names the adapter.
    pub fn of(id: u32, name: &str) -> Self {
        match id {
            0x1002 => Self::Amd,
            0x106b => Self::Apple,
            0x8086 => Self::Intel,
            0x10de => Self::Nvidia,
            0x5143 => Self::Qualcomm,
            _ if name.starts_with("Apple ") => Self::Apple,
            _ => Self::Other,
        }
    }
}

/// Limits and features of an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The adapter's name, for errors.
    pub name: String,
    /// Maximum bytes of one storage binding.
    pub binding_bytes: u64,
    /// Maximum bytes of one buffer.
    pub buffer_bytes: u64,
    /// Runs on the CPU.
    pub software: bool,
    /// A GPU with memory of its own.
    pub discrete: bool,
    /// The maker.
    pub vendor: Vendor,
    /// Minimum and maximum lanes of a subgroup, if it supports subgroup operations.
    pub subgroups: Option<[u32; 2]>,
    /// Kernels may read and write 16-bit floats.
    pub f16: bool,
    /// Cooperative matrices that subgroups can multiply.
    pub fragments: Vec<Fragment>,
    /// Kernels may read texture copies of tensors.
    pub textures: bool,
    /// Kernels load and store vec4s of f32 packed into 64-bit integers, because the adapter moves vectors lane by lane and
    /// component by component.
    pub packed_u64: bool,
}

impl Capabilities {
    /// The limits that every WebGPU adapter has.
    pub fn webgpu_default() -> Self {
        let limits = wgpu::Limits::default();
        Self {
            name: "a WebGPU device with default limits".into(),
            binding_bytes: limits.max_storage_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            software: false,
            discrete: false,
            vendor: Vendor::Other,
            subgroups: None,
            f16: false,
            fragments: Vec::new(),
            textures: false,
            packed_u64: false,
        }
    }

    /// The CPU twins: no limits.
    pub fn twins() -> Self {
        Self {
            name: "CPU twins".into(),
            binding_bytes: u64::MAX,
            buffer_bytes: u64::MAX,
            software: true,
            discrete: false,
            vendor: Vendor::Other,
            subgroups: None,
            f16: true,
            fragments: Vec::new(),
            textures: false,
            packed_u64: false,
        }
    }

    /// Maximum terms that an invocation of a software adapter may sum in a loop. llvmpipe ends the loops of a shader after
    /// 65,535 iterations in all and reports no error; an iteration with an inner loop counts twice.
    const MAX_SOFTWARE_TERMS: u32 = 1 << 15;

    /// The minimum number of parts of a sum of `terms`, so that one invocation can add each part.
    pub fn min_splits(&self, terms: u32) -> u32 {
        if self.software { Self::min_splits_of_any(terms) } else { 1 }
    }

    /// [`Capabilities::min_splits`] of the adapter with the shortest sums.
    pub fn min_splits_of_any(terms: u32) -> u32 {
        terms.div_ceil(Self::MAX_SOFTWARE_TERMS)
    }
}
