//! Options of a model, and the device that computes it.

use super::architectures::addressable;
use super::extras::TrainFeatures;
use super::flow::FlowSampling;
use super::network::{Network, micro_batch};
use crate::config::{Likelihood, ModelConfig, TrainConfig, checked_batch};
use crate::error::{Error, Result};
use crate::gpu::{Adapter, Capabilities, Element, GpuRunner, PacedRunner, Plan, ReferenceRunner, Runner};
use crate::ops::Tuning;
use crate::ops::reparameterize::padded;

/// The device that computes a model.
#[derive(Clone, Copy)]
pub enum Device<'a> {
    /// On an adapter, every op in its default configuration.
    Gpu(&'a Adapter),
    /// On an adapter, in the configurations chosen for it.
    Tuned(&'a Adapter, &'a Tuning),
    /// As `Tuned`, with timestamps if the adapter has them, for [`Vae::profile`](super::Vae::profile).
    Timed(&'a Adapter, &'a Tuning),
    /// On the CPU twins: slow, exact, for tests.
    Twins,
    /// On nothing, in the time of a device that does so much work per second ([`PacedRunner`]).
    Paced(&'a Capabilities, &'a Tuning, f64),
}

impl Device<'_> {
    /// Its limits and features.
    pub fn capabilities(&self) -> Capabilities {
        match self {
            Self::Gpu(adapter) | Self::Tuned(adapter, _) | Self::Timed(adapter, _) => adapter.capabilities(),
            Self::Twins => Capabilities::twins(),
            Self::Paced(target, ..) => (*target).clone(),
        }
    }

    /// Calls `f` with its limits and features, and with the configurations chosen for it, else the defaults.
    pub(super) fn with_tuning<T>(&self, f: impl FnOnce(&Capabilities, &Tuning) -> T) -> T {
        let target = self.capabilities();
        match self {
            Self::Tuned(_, tuning) | Self::Timed(_, tuning) | Self::Paced(_, tuning, _) => f(&target, tuning),
            Self::Gpu(_) | Self::Twins => f(&target, &Tuning::of(&target)),
        }
    }

    pub(super) fn runner(&self, plan: Plan) -> Result<Box<dyn Runner>> {
        Ok(match self {
            Self::Gpu(adapter) | Self::Tuned(adapter, _) => Box::new(GpuRunner::new(adapter, plan)?),
            Self::Timed(adapter, _) => Box::new(GpuRunner::timed(adapter, plan)?),
            Self::Twins => Box::new(ReferenceRunner::new(plan)),
            Self::Paced(_, _, rate) => Box::new(PacedRunner::new(plan, *rate)),
        })
    }
}

/// Sizes, element types and parts of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelOptions {
    /// the architecture
    pub config: ModelConfig,
    /// pictures per step
    pub batch: u32,
    /// pictures of a step that this process computes at most, if several train the model ([`Vae::join`](super::Vae::join));
    /// `None` for a process that trains it alone
    pub share: Option<u32>,
    /// pictures computed at once; `None` takes the largest number that fits
    pub micro: Option<u32>,
    /// with gradients and Adam
    pub training: bool,
    /// pictures kept on the device from step to step, see [`Vae::upload_resident`](super::Vae::upload_resident)
    pub resident: u32,
    /// element type of activations between the layers and of their gradients; everything else is f32
    pub precision: Element,
    /// likelihood of pixels: the loss, and the mean of the decoder's logits that a picture shows
    pub likelihood: Likelihood,
    /// optional parts of a training
    pub extras: TrainFeatures,
    /// keeps every gradient until the next step, for [`Vae::gradients`](super::Vae::gradients), where else a weight's would
    /// make room for the next one's as soon as Adam has seen it; the steps compute the same bits either way
    pub keep_gradients: bool,
    /// a flow that latents can be drawn from, see [`Vae::load_flow`](super::Vae::load_flow); not in a training
    pub flow: Option<FlowSampling>,
}

impl ModelOptions {
    /// For training in f32, with the micro-batch that fits.
    pub fn training(config: ModelConfig, batch: u32) -> Self {
        Self {
            config,
            batch,
            share: None,
            micro: None,
            training: true,
            resident: 0,
            precision: Element::F32,
            likelihood: Likelihood::default(),
            extras: TrainFeatures::default(),
            keep_gradients: false,
            flow: None,
        }
    }

    /// For the training that `config` describes, with the micro-batch that fits.
    pub fn of(config: &TrainConfig) -> Self {
        Self {
            precision: config.precision,
            likelihood: config.objective.likelihood,
            extras: config.into(),
            ..Self::training(config.model, config.batch_size)
        }
    }

    /// Without gradients.
    pub fn inference(config: ModelConfig, batch: u32) -> Self {
        Self { training: false, ..Self::training(config, batch) }
    }

    /// For one of `ranks` processes that divide each batch as equally as possible.
    pub fn shared_by(self, ranks: u32) -> Self {
        Self { share: Some(self.batch.div_ceil(ranks)), ..self }
    }

    /// Pictures of a step that this process computes at most.
    pub fn own_batch(&self) -> u32 {
        self.share.map_or(self.batch, |share| share.clamp(1, self.batch))
    }

    /// The micro-batch for `target`.
    ///
    /// # Errors
    /// [`Error::Limit`] if not one picture fits, [`Error::Usage`] if the one asked for is zero, or the adapter
    /// has no 16-bit floats and they were asked for.
    pub fn resolve_micro_batch(&self, target: &Capabilities) -> Result<u32> {
        checked_batch(self.batch)?;
        addressable(&self.config)?;
        if self.precision == Element::F16 && !target.f16 {
            return Err(Error::Usage(format!(
                "--precision f16: {} has no 16-bit floats (SHADER_F16); leave it at f32, or take another adapter",
                target.name
            )));
        }
        let micro = match self.micro {
            Some(0) => return Err(Error::Usage("--micro-batch 0: must be at least 1, or auto".into())),
            Some(micro) => micro.min(self.own_batch()),
            None => micro_batch(self, target)?,
        };
        let size = u64::from(self.config.size);
        let largest = (4 * size * size).max(size * size / 4 * u64::from(padded(self.config.hidden)));
        if u64::from(micro) * largest > u64::from(u32::MAX) {
            let elements = u64::from(micro) * largest;
            return Err(Error::Usage(format!(
                "--micro-batch {micro}: {elements} elements in one tensor, and kernels index with 32 bits; lower it"
            )));
        }
        let stored = (u64::from(self.resident) + u64::from(micro)) * size * size;
        if stored > u64::from(u32::MAX) {
            return Err(Error::Usage(format!(
                "{} pictures of {size} px are too many to stay on the device: kernels index with 32 bits; \
                 give --resident no",
                self.resident
            )));
        }
        Ok(micro)
    }

    /// The plan for `target`, without a device.
    ///
    /// # Errors
    /// As [`ModelOptions::resolve_micro_batch`].
    pub fn plan(&self, target: &Capabilities) -> Result<(Network, Plan)> {
        self.plan_with(target, &Tuning::of(target))
    }

    /// [`ModelOptions::plan`] with the kernel configurations of `tuning`.
    ///
    /// # Errors
    /// As [`ModelOptions::resolve_micro_batch`].
    pub fn plan_with(&self, target: &Capabilities, tuning: &Tuning) -> Result<(Network, Plan)> {
        self.config.checked()?;
        let recorded = Network::record(self, target, self.resolve_micro_batch(target)?, tuning);
        tuning.checked()?;
        Ok(recorded)
    }
}
