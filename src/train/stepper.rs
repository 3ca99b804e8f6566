//! The stepper: feeds batches to the model, for training and for verification.
//! Read this for resident pictures and the order of batches.

use std::ops::Range;
use std::sync::Arc;

use super::schedule;
use crate::checkpoint::State;
use crate::data::{self, Batch, DataLoader, Dataset, PREFETCH};
use crate::error::Result;
use crate::model::{BatchPart, Input, StepSettings, Vae};

/// Number of pictures uploaded at a time, which bounds the host memory for copies.
const CHUNK: usize = 64;

/// Feeds the pictures of a training to the model.
pub(super) struct Stepper {
    pictures: Arc<Dataset>,
    /// whether all pictures are resident on the device
    resident: bool,
}

impl Stepper {
    /// Uploads all pictures if the model was built with room for them; then steps upload nothing. Without room, or if a
    /// file has become unreadable, batches are uploaded step by step.
    pub(super) fn new(vae: &mut Vae, pictures: Arc<Dataset>) -> Self {
        let resident = upload_all(vae, &pictures);
        Self { pictures, resident }
    }

    /// The number of steps of a whole epoch.
    pub(super) fn steps(&self, state: &State) -> u64 {
        self.pictures.len().div_ceil(state.config.batch_size as usize) as u64
    }

    /// The remaining batches of the current epoch of `state`; of a batch of n pictures those of `part(n)`.
    pub(super) fn batches(
        &self,
        state: &State,
        part: impl Fn(usize) -> Range<usize>,
    ) -> Box<dyn Iterator<Item = Batch>> {
        let order = data::order(state.config.seed, state.epoch, self.pictures.len());
        let (batch, first) = (state.config.batch_size as usize, state.step_in_epoch as usize);
        let batches = order.chunks(batch).map(|all| all[part(all.len())].to_vec()).collect();
        if self.resident {
            Box::new(data::indices_only(batches, first))
        } else {
            Box::new(DataLoader::start(self.pictures.clone(), batches, first, PREFETCH))
        }
    }

    /// Trains one step on `batch`, the pictures of `part`, and returns its settings; `None` if no file of the batch could be
    /// read and nothing was done.
    pub(super) fn step(
        &self,
        vae: &mut Vae,
        (batch, part): (&Batch, BatchPart),
        state: &mut State,
    ) -> Result<Option<StepSettings>> {
        let settings = schedule::settings(state, self.steps(state));
        state.step_in_epoch += 1;
        if part.total == 0 {
            return Ok(None);
        }
        let rgba: Vec<u32>;
        let input = if self.resident {
            Input::Resident(&batch.indices)
        } else {
            rgba = bytemuck::pod_collect_to_vec(&batch.rgba);
            Input::Rgba(&rgba)
        };
        vae.train_part(input, part, &settings)?;
        state.step += 1;
        Ok(Some(settings))
    }
}

fn upload_all(vae: &mut Vae, pictures: &Dataset) -> bool {
    if (vae.resident() as usize) < pictures.len() {
        return false;
    }
    let all: Vec<usize> = (0..pictures.len()).collect();
    all.chunks(CHUNK).all(|indices| {
        let rgb: Result<Vec<_>> = indices.iter().map(|index| pictures.get(*index)).collect();
        rgb.is_ok_and(|rgb| {
            let rgba: Vec<u32> = rgb.iter().flat_map(|picture| data::rgba_of(picture)).collect();
            vae.upload_resident(indices[0] as u32, &rgba).is_ok()
        })
    })
}
