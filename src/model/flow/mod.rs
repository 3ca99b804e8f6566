//! Flows: networks that turn noise into latents, the learned prior of a model.
//!
//! A rectified flow learns the velocity of straight lines from noise e to standardised latents z, `x_t = (1 - t) e + t z`,
//! and a sample follows that velocity from t = 0 to 1. [`Flow`] trains one, [`FlowSampler`] is its part in a model's plan.
//! Source: Liu, Gong and Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", 2022.

mod sampler;
mod step;
mod tensors;
mod training;
mod unet;

pub use sampler::{FlowSampler, FlowSampling};
#[doc(hidden)]
pub use training::FlowProbe;
pub use training::{Flow, FlowBatch};
pub use unet::UNet;

use super::params::Parameter;
use super::state_dict::StateDict;
use crate::config::FlowConfig;

/// The label of a picture without a class.
pub const NO_CLASS: u32 = u32::MAX;

/// A trained flow: what a file has.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowWeights {
    /// sizes
    pub config: FlowConfig,
    /// parameters, under the names that PyTorch's modules would have
    pub weights: StateDict,
    /// mean and standard deviation of each latent, `[Z]` each
    pub standard: [Vec<f32>; 2],
}

impl FlowWeights {
    /// Mean and standard deviation as [`FlowSampler::standard`] holds them.
    pub fn standard_rows(&self) -> Vec<f32> {
        standard_rows(&self.standard, self.config.channels)
    }
}

/// The number of parameters of a flow, as PyTorch counts them.
pub fn parameter_count(config: &FlowConfig) -> u64 {
    UNet::new(*config).layout().parameters.iter().map(|p| Parameter::len(p) as u64).sum()
}

/// Names and shapes of a flow's parameters, in order.
pub fn names(config: &FlowConfig) -> Vec<(String, Vec<usize>)> {
    UNet::new(*config).layout().parameters.into_iter().map(|p| (p.name, p.shape)).collect()
}

/// Mean and standard deviation as kernels read them, `[2, Z]` padded; the deviation of padding is 1, because it divides.
fn standard_rows([mean, deviation]: &[Vec<f32>; 2], channels: u32) -> Vec<f32> {
    let cells = |values: &[f32], padding: f32| -> Vec<f32> {
        let padded = |cell: &[f32]| {
            let mut cell = cell.to_vec();
            cell.resize(cell.len().next_multiple_of(4), padding);
            cell
        };
        values.chunks(channels as usize).flat_map(padded).collect()
    };
    [cells(mean, 0.0), cells(deviation, 1.0)].concat()
}
