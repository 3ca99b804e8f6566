//! Reading and writing the state of a training: parameters, their average, gradients, moments, the loss scale.

use super::Vae;
use crate::error::{Error, Result};
use crate::gpu::BufferId;
use crate::model::arena;
use crate::model::network::{TrainingArenas, TrainingPrograms};
use crate::model::state_dict::{ADAM_SLOTS, OptimizerState, StateDict};
use crate::ops::loss_scale::LossScale;

impl Vae {
    /// The factor on gradients after the steps so far, and how many of them were not finite and left out.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn scaling(&mut self) -> Result<LossScale> {
        Ok(LossScale::from_words(&self.runner.read(&self.network.tensors.scaling)?))
    }

    /// Replaces the factor on gradients.
    pub fn load_scaling(&mut self, scaling: LossScale) {
        self.runner.write(&self.network.tensors.scaling, bytemuck::cast_slice(&[scaling]));
    }

    /// Replaces the parameters, and their running average.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn load(&mut self, weights: &StateDict) -> Result<()> {
        self.write_arena(self.network.arenas.params, weights);
        if let Some(average) = self.network.arenas.average {
            self.write_arena(average, weights);
        }
        Ok(())
    }

    /// The parameters as they are now.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn weights(&mut self) -> Result<StateDict> {
        self.read_arena(self.network.arenas.params)
    }

    /// The gradients of the last batch, without the factor of f16.
    ///
    /// # Errors
    /// If the device is lost, or the model was built without [`keep_gradients`](crate::model::ModelOptions::keep_gradients) and has
    /// not kept them.
    pub fn gradients(&mut self) -> Result<StateDict> {
        let (_, arenas) = self.training()?;
        if arenas.gradients.are_transient() {
            return Err(Error::Usage("this model keeps no gradients: build it with keep_gradients".into()));
        }
        let mut gradients = self.read_arena(arenas.gradients.arena)?;
        let factor = self.scaling()?.factor() as f32;
        let values = gradients.tensors.iter_mut().flat_map(|tensor| &mut tensor.values);
        values.for_each(|value| *value /= factor); // a power of two: exact
        Ok(gradients)
    }

    /// The state of the optimizer.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn optimizer_state(&mut self) -> Result<OptimizerState> {
        let slots = ADAM_SLOTS.into_iter().zip(self.training()?.1.slots);
        let slots = slots.map(|(name, arena)| Ok((name, self.read_arena(arena)?)));
        Ok(OptimizerState { slots: slots.collect::<Result<_>>()? })
    }

    /// Replaces the state of the optimizer.
    ///
    /// # Errors
    /// If the model was built without training, or the state is of another optimizer.
    pub fn load_optimizer_state(&mut self, state: &OptimizerState) -> Result<()> {
        for (name, arena) in ADAM_SLOTS.into_iter().zip(self.training()?.1.slots) {
            let slot = state.slots.iter().find(|(slot, _)| *slot == name);
            let missing = || Error::Usage(format!("the optimizer state has no slot {name}"));
            self.write_arena(arena, &slot.ok_or_else(missing)?.1);
        }
        Ok(())
    }

    /// Replaces everything that training changes.
    ///
    /// # Errors
    /// If the model was built without training.
    pub fn restore(
        &mut self,
        weights: &StateDict,
        optimizer: &OptimizerState,
        scaling: Option<LossScale>,
        average: Option<&StateDict>,
    ) -> Result<()> {
        self.load(weights)?;
        if let (Some(arena), Some(average)) = (self.network.arenas.average, average) {
            self.write_arena(arena, average);
        }
        self.load_optimizer_state(optimizer)?;
        if let Some(scaling) = scaling {
            self.load_scaling(scaling);
        }
        Ok(())
    }

    /// The name of the first tensor that holds something that is no finite number: of the parameters, of their
    /// gradients, then of what the encoder says of the last batch.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn first_non_finite(&mut self) -> Result<Option<String>> {
        let bad = |values: &[f32]| !values.iter().all(|value| value.is_finite());
        let first = |weights: StateDict| weights.tensors.into_iter().find(|t| bad(&t.values)).map(|t| t.name);
        if let Some(name) = first(self.weights()?) {
            return Ok(Some(name));
        }
        // those that did not stay would have made their parameter the first
        if self.training().is_ok_and(|(_, arenas)| !arenas.gradients.are_transient())
            && let Some(name) = first(self.gradients()?)
        {
            return Ok(Some(format!("the gradient of {name}")));
        }
        let tensors = self.network.tensors;
        for (name, tensor) in [("mu or logvar", tensors.heads), ("z", tensors.z), ("logits", tensors.logits)]
        {
            if bad(&self.runner.read(&tensor)?) {
                return Ok(Some(name.into()));
            }
        }
        Ok(None)
    }

    /// Whether it keeps a running average of its parameters.
    pub fn averages(&self) -> bool {
        self.network.arenas.average.is_some()
    }

    /// Exchanges the parameters with their running average: everything computes with the average until it is
    /// called again. Does nothing in a model that keeps none.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn swap_average(&mut self) -> Result<()> {
        let swap = self.network.programs.training.and_then(|training| training.swap);
        swap.map_or(Ok(()), |program| self.runner.run(&[program]))
    }

    /// The running average of the parameters.
    ///
    /// # Errors
    /// If the device is lost, or the model keeps none.
    pub fn average(&mut self) -> Result<StateDict> {
        let none = || Error::Usage("this model keeps no average of its parameters".into());
        self.read_arena(self.network.arenas.average.ok_or_else(none)?)
    }

    pub(super) fn training(&self) -> Result<(TrainingPrograms, TrainingArenas)> {
        let both = self.network.programs.training.zip(self.network.arenas.training);
        both.ok_or_else(|| Error::Usage("this model was built for inference: build it with training".into()))
    }

    fn write_arena(&mut self, arena: BufferId, weights: &StateDict) {
        arena::write(self.runner.as_mut(), &self.network.layout, arena, weights);
    }

    pub(super) fn read_arena(&mut self, arena: BufferId) -> Result<StateDict> {
        arena::read(self.runner.as_mut(), &self.network.layout, arena)
    }
}
