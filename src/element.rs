//! The element type of tensors. Knows nothing of tensors themselves.

use std::borrow::Cow;

use half::f16;
use serde::{Deserialize, Serialize};

/// The type of a tensor's elements in memory; kernels compute in f32 either way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32 bits: floats, and words that are not floats (pixels, counters)
    #[default]
    F32,
    /// 16 bits, for adapters with `SHADER_F16`
    F16,
}

impl Element {
    /// Size of an element in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// The WGSL name of the type, which is also its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// `values` rounded to this type.
    pub fn round(self, values: &[f32]) -> Cow<'_, [f32]> {
        match self {
            Self::F32 => values.into(),
            Self::F16 => values.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
        }
    }

    /// Number of 32-bit words for `len` elements, rounded up.
    pub fn words(self, len: u64) -> u64 {
        (self.bytes() * len).div_ceil(4)
    }

    /// `values` as stored in memory, rounded to nearest.
    pub fn pack(self, values: &[f32]) -> Vec<u32> {
        match self {
            Self::F32 => values.iter().map(|v| v.to_bits()).collect(),
            Self::F16 => {
                let bits = |v: &f32| u32::from(f16::from_f32(*v).to_bits());
                values.chunks(2).map(|two| two.iter().rev().fold(0, |word, v| word << 16 | bits(v))).collect()
            }
        }
    }

    /// The values stored in `words`.
    pub fn unpack(self, words: &[u32]) -> Vec<f32> {
        match self {
            Self::F32 => words.iter().map(|w| f32::from_bits(*w)).collect(),
            Self::F16 => {
                let value = |bits: u32| f16::from_bits(bits as u16).to_f32();
                words.iter().flat_map(|w| [value(w & 0xffff), value(w >> 16)]).collect()
            }
        }
    }
}
