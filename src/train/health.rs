//! Selection of the checkpoint to resume from after a run has diverged.
//! Read this if `--resume` skips checkpoints.
//!
//! A loss that is not finite comes from the parameters before it, which a checkpoint may hold. So the checkpoints that
//! led to it are skipped, and so are those whose next loss was already far above the run's first: that is the loss of
//! an untrained model, and training starts below it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::RunFolder;
use super::run::METRICS;
use crate::checkpoint::{Checkpoint, State};
use crate::error::{Error, Result};

/// Line of metrics.jsonl for the step whose loss was not finite; the training ended there.
#[derive(Debug, Serialize)]
pub(super) struct Diverged {
    /// "diverged"
    pub(super) kind: &'static str,
    /// step, from 1
    pub(super) step: u64,
    /// epoch, from 1
    pub(super) epoch: u32,
}

/// The checkpoints of a run, divided into usable and unusable ones.
#[derive(Debug)]
pub struct Healthy {
    /// newest usable checkpoint, complete and from before a divergence, with its folder
    pub newest: Option<(PathBuf, Checkpoint)>,
    /// reasons why newer ones were skipped, one line each
    pub passed_over: Vec<String>,
    /// complete but diverging checkpoints among those
    pub diverged: Vec<PathBuf>,
}

impl RunFolder {
    /// Finds the newest usable checkpoint.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn healthy(&self) -> Result<Healthy> {
        let losses = Losses::read(&self.path.join(METRICS));
        let (mut passed_over, mut diverged) = (Vec::new(), Vec::new());
        for found in self.newest_first()? {
            let (path, checkpoint) = match found {
                Ok(found) => found,
                Err(error) => {
                    passed_over.push(error.to_string());
                    continue;
                }
            };
            let Some(reason) = losses.refusal(&checkpoint.state).or_else(|| not_finite(&checkpoint)) else {
                return Ok(Healthy { newest: Some((path, checkpoint)), passed_over, diverged });
            };
            passed_over.push(Error::model(&path, reason).to_string());
            diverged.push(path);
        }
        Ok(Healthy { newest: None, passed_over, diverged })
    }

    /// Moves checkpoints to the run's folder `diverged`, from which nothing resumes.
    ///
    /// # Errors
    /// If they cannot be moved.
    pub fn set_aside(&self, checkpoints: &[PathBuf]) -> Result<()> {
        let aside = self.path.join("diverged");
        for path in checkpoints {
            fs::create_dir_all(&aside).map_err(Error::io("create", &aside))?;
            let to = aside.join(path.file_name().unwrap_or_default());
            let _ = fs::remove_dir_all(&to); // left by an earlier divergence at this step, if it exists
            fs::rename(path, &to).map_err(Error::io("move", path))?;
        }
        Ok(())
    }
}

/// Losses in metrics.jsonl of a run that has diverged; empty if it has not.
#[derive(Debug, Default)]
struct Losses {
    /// step whose loss was not finite
    diverged: Option<u64>,
    /// loss of the run's first step
    first: Option<f64>,
    by_step: HashMap<u64, f64>,
}

impl Losses {
    fn read(path: &Path) -> Self {
        let mut losses = Self::default();
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(step) = line["step"].as_u64() else { continue };
            match line["kind"].as_str() {
                Some("diverged") => losses.diverged = Some(step),
                Some("step") => {
                    if let Some(loss) = line["loss"].as_f64() {
                        losses.first.get_or_insert(loss);
                        losses.by_step.insert(step, loss);
                    }
                }
                _ => {}
            }
        }
        losses
    }

    /// The reason why the checkpoint at `state` must not be resumed from, if there is one.
    fn refusal(&self, state: &State) -> Option<String> {
        let diverged = self.diverged?;
        let next = state.step + 1;
        if next >= diverged {
            return Some(format!("the loss of the next step, {next}, was not finite"));
        }
        let (first, loss) = (self.first?, *self.by_step.get(&next)?);
        let most = first + first.abs();
        (loss > most).then(|| {
            format!("the loss of the next step, {next}, was {loss:.4e}; the run began at {first:.4e}")
        })
    }
}

/// The first tensor with a value that is not finite.
pub(super) fn not_finite(checkpoint: &Checkpoint) -> Option<String> {
    let Checkpoint { weights, optimizer, average, .. } = checkpoint;
    let slots = optimizer.slots.iter().map(|(name, values)| (format!("{name}."), values));
    let sets = [(String::new(), weights)].into_iter().chain(slots);
    let sets = sets.chain(average.iter().map(|average| (String::new(), average)));
    sets.into_iter().find_map(|(prefix, set)| {
        let mut tensors = set.tensors.iter();
        let sick = tensors.find(|tensor| !tensor.is_finite())?;
        Some(format!("{prefix}{} holds a number that is not finite", sick.name))
    })
}

#[cfg(test)]
mod tests {
    use super::{Losses, METRICS};
    use crate::checkpoint::State;
    use crate::config::TrainConfig;

    /// Whether the checkpoint after each of `steps` is refused, given the lines of metrics.jsonl.
    fn ill(lines: &str, steps: &[u64]) -> Vec<bool> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(METRICS);
        std::fs::write(&path, lines).expect("written");
        let losses = Losses::read(&path);
        let state = |step| State { step, ..State::new(TrainConfig::default()) };
        steps.iter().map(|step| losses.refusal(&state(*step)).is_some()).collect()
    }

    fn steps(losses: &[f64]) -> String {
        let line = |(step, loss): (usize, &f64)| {
            format!("{{\"kind\":\"step\",\"step\":{},\"epoch\":1,\"loss\":{loss}}}\n", step + 1)
        };
        losses.iter().enumerate().map(line).collect()
    }

    #[test]
    fn checkpoints_from_which_a_divergence_came_are_ill() {
        let losses = steps(&[100.0, 90.0, 80.0, 300.0, 1e20]);
        let diverged = losses.clone() + "{\"kind\":\"diverged\",\"step\":6,\"epoch\":1}\n";
        assert_eq!(ill(&diverged, &[0, 1, 2, 3, 4, 5]), [false, false, false, true, true, true]);
        // a spike in a run that has not diverged is fine
        assert_eq!(ill(&losses, &[3, 4, 5]), [false; 3]);
        // densities may exceed 1, so their losses may be below 0
        let density = steps(&[-100.0, -120.0, 5.0]) + "{\"kind\":\"diverged\",\"step\":4,\"epoch\":1}\n";
        assert_eq!(ill(&density, &[1, 2, 3]), [false, true, true]);
    }
}
