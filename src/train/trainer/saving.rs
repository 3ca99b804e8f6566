//! Checkpoints of a training in progress.

use std::path::PathBuf;

use super::Trainer;
use crate::checkpoint::{self, Checkpoint};
use crate::error::Result;
use crate::gpu::Element;
use crate::train::health;

impl Trainer {
    /// The present state with its tensors, which are the same on all ranks from then on.
    pub(super) fn replicated(&mut self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint {
            weights: self.vae.weights()?,
            optimizer: self.vae.optimizer_state()?,
            average: if self.vae.averages() { Some(self.vae.average()?) } else { None },
            state: self.state.clone(),
        };
        if let Some(ranks) = &self.ranks
            && ranks.replicate(&mut checkpoint)?
        {
            let Checkpoint { weights, optimizer, average, state } = &checkpoint;
            self.vae.restore(weights, optimizer, state.scaling, average.as_ref())?;
        }
        Ok(checkpoint)
    }

    /// Reads the loss scale back, if the training uses f16.
    pub(super) fn read_scaling(&mut self) -> Result<()> {
        if self.vae.precision() == Element::F16 {
            self.state.scaling = Some(self.vae.scaling()?);
        }
        Ok(())
    }

    /// Saves a checkpoint within an epoch.
    pub(super) fn save_step(&mut self) -> Result<PathBuf> {
        let path = self.save(&format!("step_{:08}", self.state.step))?;
        if self.leads() {
            checkpoint::prune(&self.run.checkpoints(), self.keep)?;
        }
        Ok(path)
    }

    pub(super) fn save(&mut self, name: &str) -> Result<PathBuf> {
        self.read_scaling()?;
        let checkpoint = self.replicated()?;
        if let Some(reason) = health::not_finite(&checkpoint) {
            // without held-out pictures a divergence in the epoch's last update is only visible here
            return Err(self.diverged(self.state.step + 1, &format!("{reason}."))?);
        }
        if !self.leads() {
            return Ok(self.run.checkpoints().join(name));
        }
        checkpoint::save(&self.run.checkpoints(), name, &checkpoint)
    }
}
