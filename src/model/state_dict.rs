//! A model's parameters under PyTorch's names and in PyTorch's layouts.

use half::f16;
use rayon::prelude::*;

use super::architectures::LOG_SIGMA;
use super::params::Layout;
use crate::config::ModelConfig;
use crate::error::{Error, Result};

/// A named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// `encoder.0.weight`
    pub name: String,
    /// PyTorch's shape
    pub shape: Vec<usize>,
    /// PyTorch's order
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// Whether no value is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// The values rounded to 16 bits.
    ///
    /// # Errors
    /// [`Error::Usage`] if a value is outside the range of 16-bit floats.
    pub fn halved(&self) -> Result<Vec<f16>> {
        let half = |value: &f32| {
            let half = f16::from_f32(*value);
            let wrong =
                || Error::Usage(format!("--half: {} has {value}, which 16 bits do not hold", self.name));
            half.is_finite().then_some(half).ok_or_else(wrong)
        };
        self.values.iter().map(half).collect()
    }
}

/// All parameters of a model, or their gradients or moments, in the order of PyTorch's `state_dict`.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// the tensors
    pub tensors: Vec<NamedTensor>,
}

/// The state of an optimizer: one value per parameter in each of its slots.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// slots by name, such as `adam.m`; files have the name of a slot before that of a parameter
    pub slots: Vec<(&'static str, StateDict)>,
}

/// Adam's slots: first and second moments.
pub const ADAM_SLOTS: [&str; 2] = ["adam.m", "adam.v"];

impl OptimizerState {
    /// Adam's state.
    pub fn adam(first: StateDict, second: StateDict) -> Self {
        Self { slots: ADAM_SLOTS.into_iter().zip([first, second]).collect() }
    }
}

impl StateDict {
    /// PyTorch's default initialisation, drawn from `seed`.
    pub fn initial(config: &ModelConfig, seed: u64) -> Self {
        Self::initial_of(&Layout::new(config), seed)
    }

    /// Initial values of the parameters of a layout, drawn from `seed`.
    pub(super) fn initial_of(layout: &Layout, seed: u64) -> Self {
        let tensors = layout.parameters.par_iter().enumerate().map(|(stream, p)| NamedTensor {
            name: p.name.clone(),
            shape: p.shape.clone(),
            values: p.initial(seed, stream as u64),
        });
        Self { tensors: tensors.collect() }
    }

    /// With the parameter of a learned width at its initial value where the model of `config` has one and this has none, and
    /// without it where that model has none: a training may begin with another likelihood.
    #[must_use]
    pub fn with_likelihood(mut self, config: &ModelConfig) -> Self {
        let has = |tensor: &NamedTensor| tensor.name == LOG_SIGMA;
        if !config.learned_sigma {
            self.tensors.retain(|tensor| !has(tensor));
        } else if !self.tensors.iter().any(has) {
            let own = Layout::new(config).parameters.into_iter().find(|p| p.name == LOG_SIGMA);
            // a constant: no seed matters
            self.tensors.extend(own.map(|p| NamedTensor {
                values: p.initial(0, 0),
                name: p.name,
                shape: p.shape,
            }));
        }
        self
    }

    /// The parameters rounded to 16 bits, and the largest difference.
    ///
    /// # Errors
    /// As [`NamedTensor::halved`].
    pub fn halved(&self) -> Result<(Self, f64)> {
        let (mut rounded, mut largest) = (self.clone(), 0.0f64);
        for tensor in &mut rounded.tensors {
            let halves = tensor.halved()?;
            for (value, half) in tensor.values.iter_mut().zip(halves) {
                largest = largest.max((half.to_f64() - f64::from(*value)).abs());
                *value = half.to_f32();
            }
        }
        Ok((rounded, largest))
    }

    /// Names and shapes that the model of `config` has, in order.
    pub fn names(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
        Layout::new(config).parameters.into_iter().map(|p| (p.name, p.shape)).collect()
    }
}
