//! Verification of a run: its last steps are computed again from an earlier checkpoint and compared bit by bit.
//! Used by `wgvae verify`.

use super::stepper::Stepper;
use super::trainer::Splits;
use crate::checkpoint::{Checkpoint, State};
use crate::error::{Error, Result};
use crate::model::{BatchPart, StateDict, Vae};

/// Result of a verification.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// number of recomputed steps
    pub steps: u64,
    /// number of compared values: parameters, both moments, and the average if there is one
    pub compared: u64,
    /// tensors that differ, with the number of differing values
    pub different: Vec<(String, u64)>,
}

/// Trains `vae` from `from` (or as it is) to the step of `to`, and compares. `progress` is called for every step.
///
/// # Errors
/// If the device fails, the checkpoints are not from one run, or a picture can no longer be read.
pub fn verify(
    vae: &mut Vae,
    data: &Splits,
    from: Option<&Checkpoint>,
    to: &Checkpoint,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Receipt> {
    let mut state = match from {
        Some(from) => {
            vae.restore(&from.weights, &from.optimizer, from.state.scaling, from.average.as_ref())?;
            from.state.clone()
        }
        None => State::new(to.state.config.clone()),
    };
    state.config = to.state.config.clone();
    state.lr_drops = to.state.lr_drops.clone();
    state.replanned = to.state.replanned;
    let (first, last) = (state.step, to.state.step);
    let stepper = Stepper::new(vae, data.train.clone());
    while state.step < last {
        for batch in stepper.batches(&state, |len| 0..len) {
            if let Some(problem) = batch.problems.first() {
                return Err(Error::data(&problem.path, format!("{}: the run read it", problem.reason)));
            }
            stepper.step(vae, (&batch, BatchPart::whole(batch.count as u32)), &mut state)?;
            progress(state.step - first, last - first);
            // the losses are not needed, but their ring buffer must be drained
            vae.losses(false)?;
            if state.step == last {
                break;
            }
        }
        state.epoch += 1;
        state.step_in_epoch = 0;
    }
    let optimizer = vae.optimizer_state()?;
    let average = if vae.averages() { Some(vae.average()?) } else { None };
    let mut verdict = Receipt { steps: last - first, compared: 0, different: Vec::new() };
    verdict.compare("", &vae.weights()?, &to.weights);
    for ((name, is), (_, was)) in optimizer.slots.iter().zip(&to.optimizer.slots) {
        verdict.compare(&format!("{name}."), is, was);
    }
    if let (Some(is), Some(was)) = (&average, &to.average) {
        verdict.compare("average.", is, was);
    }
    Ok(verdict)
}

impl Receipt {
    fn compare(&mut self, prefix: &str, is: &StateDict, was: &StateDict) {
        for (a, b) in is.tensors.iter().zip(&was.tensors) {
            self.compared += a.values.len() as u64;
            let differs = a.values.iter().zip(&b.values).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            if differs > 0 {
                self.different.push((format!("{prefix}{}", a.name), differs as u64));
            }
        }
    }
}
