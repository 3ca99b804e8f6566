//! Kernel configurations, and the trait of ops that have several of them.
//!
//! An op is [`Tunable`] if it can be computed in several ways: it lists its candidates and records any of them. The
//! autotuner measures them, and a [`Table`] keeps its choices. The defaults are in [`heuristics`](super::heuristics).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gemm::variant::{Variant, is_false};
use super::tolerance::Tolerance;
use crate::gpu::kernel::{Constant, Value};
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor};

/// One way to compute an op: an algorithm and its launch parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KernelConfig {
    /// A matrix product.
    Product {
        /// the core
        variant: Variant,
        /// parts of the sum, added by a second dispatch
        splits: u32,
    },
    /// A convolution by the Winograd algorithm.
    Winograd {
        /// the core of the products of transformed tensors
        variant: Variant,
        /// parts of their sums
        splits: u32,
    },
    /// An elementwise kernel.
    #[serde(alias = "sweep")]
    Elementwise {
        /// invocations of a workgroup
        threads: u32,
        /// vec4s per invocation
        #[serde(alias = "each")]
        vec4s_per_thread: u32,
    },
    /// Column sums of a matrix.
    #[serde(alias = "columns")]
    BiasGrad {
        /// invocations of a workgroup
        threads: u32,
        /// parts of the rows, added by a second dispatch
        parts: u32,
        /// whether the matrix is read from a texture copy
        #[serde(alias = "images", default, skip_serializing_if = "is_false")]
        textures: bool,
    },
}

impl KernelConfig {
    /// The name in messages and reports.
    pub fn name(self) -> String {
        match self {
            Self::Product { variant, splits: 1 } => variant.name(),
            Self::Product { variant, splits } => format!("{}, {splits} parts", variant.name()),
            Self::Winograd { variant, splits } => {
                format!("winograd, {}", Self::Product { variant, splits }.name())
            }
            Self::Elementwise { threads, vec4s_per_thread } => {
                format!("{threads} threads, {vec4s_per_thread} vec4 each")
            }
            Self::BiasGrad { threads, parts, textures } => {
                let parts = if parts == 1 { "one pass".into() } else { format!("{parts} parts") };
                format!("{threads} threads, {parts}{}", if textures { ", texture" } else { "" })
            }
        }
    }

    /// Whether `target` can run it.
    pub fn runs_on(self, target: &Capabilities) -> bool {
        match self {
            Self::Product { variant, splits } | Self::Winograd { variant, splits } => {
                variant.runs_on(target) && splits > 0
            }
            Self::Elementwise { threads, vec4s_per_thread } => {
                ELEMENTWISE.contains(&[threads, vec4s_per_thread])
            }
            Self::BiasGrad { threads, parts, textures } => {
                Self::BIAS_GRAD_THREADS.contains(&threads) && parts > 0 && (!textures || target.textures)
            }
        }
    }

    /// Workgroup sizes of bias gradients.
    pub const BIAS_GRAD_THREADS: [u32; 2] = [64, 256];
}

/// Workgroup size and vec4s per invocation of elementwise kernels, the plain configuration first.
pub const ELEMENTWISE: [[u32; 2]; 6] = [[64, 1], [64, 4], [128, 2], [256, 1], [256, 4], [64, 16]];

/// An op with several configurations.
pub trait Tunable: Send + Sync {
    /// Kernel, sizes and epilogue: what a configuration is chosen for.
    fn key(&self) -> String;
    /// Configurations worth trying on `target`. The first is the plain one, with which the others are compared.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig>;
    /// Whether it can be computed by `config`, which may come from a file.
    fn allows(&self, config: KernelConfig) -> bool;
    /// Name and shape of each operand; the last one is the output.
    fn operands(&self) -> Vec<(&'static str, Shape)>;
    /// Element types of the operands; those beyond the end of the list are f32.
    fn elements(&self) -> Vec<Element> {
        Vec::new()
    }
    /// The operand that a second product of the same step reads as well, so that its derived tensors serve both.
    fn shared(&self) -> Option<usize> {
        None
    }
    /// Allowed difference between `config` and the plain configuration on normally distributed operands.
    fn tolerance(&self, config: KernelConfig) -> Tolerance;
    /// Records it with `config`.
    ///
    /// # Panics
    /// If it does not [allow](Tunable::allows) `config`, or the operands do not fit.
    fn record(&self, plan: &mut Plan, program: ProgramId, config: KernelConfig, operands: &[Tensor]);
}

/// A kernel and its sizes in one line: `linear rows=16 inputs=128 outputs=256`.
pub fn key(kernel: &str, sizes: &[Constant]) -> String {
    let sizes = sizes.iter().map(|(name, value)| match value {
        Value::U32(value) => format!(" {name}={value}"),
        other => format!(" {name}={other}"),
    });
    format!("{kernel}{}", sizes.collect::<String>())
}

/// Chosen configurations by key.
pub type Table = BTreeMap<String, KernelConfig>;
