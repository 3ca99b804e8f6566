//! What happens to a finished sum of a matrix product on its way to the output.

use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Value};

/// What happens to a finished sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epilogue {
    /// nothing
    #[default]
    None,
    /// add the bias
    Bias,
    /// add the bias, then ReLU
    BiasRelu,
    /// zero where the mask (the output of a ReLU) is not positive: ReLU's derivative
    Mask,
    /// add to what the output holds
    Accumulate,
}

impl Epilogue {
    /// The switches of `epilogue.wgsl`.
    pub fn constants(self) -> Vec<Constant> {
        vec![
            ("BIAS", Value::Bool(matches!(self, Self::Bias | Self::BiasRelu))),
            ("RELU", Value::Bool(self == Self::BiasRelu)),
            ("MASK", Value::Bool(self == Self::Mask)),
            ("ACCUMULATE", Value::Bool(self == Self::Accumulate)),
        ]
    }

    /// What `aux` must be: the bias of `channels`, the mask shaped as `out`, or any one vec4.
    pub fn aux(self, out: Shape, channels: u32) -> Shape {
        match self {
            Self::Bias | Self::BiasRelu => Shape::new(&[channels]),
            Self::Mask => out,
            Self::None | Self::Accumulate => Shape::new(&[4]),
        }
    }

    /// The twin of `epilogue.wgsl`: finishes element `at` of `out`, whose rows hold `channels`.
    pub fn finish(self, out: &mut [f32], at: usize, sum: f64, aux: &[f32], channels: u32) {
        let bias = || f64::from(aux[at % channels as usize]);
        let value = match self {
            Self::None => sum,
            Self::Bias => sum + bias(),
            Self::BiasRelu => (sum + bias()).max(0.0),
            Self::Mask if aux[at] > 0.0 => sum,
            Self::Mask => 0.0,
            Self::Accumulate => sum + f64::from(out[at]),
        };
        out[at] = value as f32;
    }
}
