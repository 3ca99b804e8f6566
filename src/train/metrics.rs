//! `metrics.jsonl`: one line per logged step and per epoch, nats per image.
//! Read this for the meaning of each field, or to add one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::checkpoint::State;
use crate::error::{Error, Result};

/// Line of a step.
#[derive(Debug, Clone, Serialize)]
pub struct StepMetrics {
    /// "step"
    pub kind: &'static str,
    /// steps of the run, from 1
    pub step: u64,
    /// epoch, from 1
    pub epoch: u32,
    /// steps of the epoch, from 1
    pub step_in_epoch: u64,
    /// minimized loss, nats per image
    pub loss: f64,
    /// negative log-likelihood of the pixels, nats per image
    pub nll: f64,
    /// negative log-likelihood again as `bce`, if it is the binary cross-entropy
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bce: Option<f64>,
    /// KL divergence, nats per image, not weighted
    pub kl: f64,
    /// MMD between the batch's latents and the prior, not weighted, if enabled
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmd: Option<f64>,
    /// gradient norm per picture before clipping, if clipping is enabled
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// pictures per second since the epoch began
    pub images_per_second: f64,
    /// learning rate
    pub lr: f64,
    /// weight of KL
    pub beta: f64,
    /// target of KL in nats per picture, with the capacity schedule
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
}

/// Line of an epoch.
#[derive(Debug, Clone, Serialize)]
pub struct EpochMetrics {
    /// "epoch"
    pub kind: &'static str,
    /// finished steps of the run
    pub step: u64,
    /// number of the epoch, from 1
    pub epoch: u32,
    /// mean of the negative log-likelihood plus the full beta times KL over the epoch's training pictures, nats per
    /// image: it does not depend on schedules and other terms, so epochs and runs are comparable by it
    pub train_loss: f64,
    /// mean negative log-likelihood over the training pictures, nats per image
    pub train_nll: f64,
    /// `train_nll` again as `train_bce`, if it is the binary cross-entropy
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_bce: Option<f64>,
    /// mean KL divergence over the training pictures, nats per image
    pub train_kl: f64,
    /// loss scale after the epoch, with f16
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// steps of the run skipped because of non-finite gradients, with f16
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped_steps: Option<u32>,
    /// mean validation loss, nats per image; `None` without validation pictures
    pub validation_loss: Option<f64>,
    /// mean negative log-likelihood over the validation pictures, nats per image
    pub validation_nll: Option<f64>,
    /// `validation_nll` again as `validation_bce`, if it is the binary cross-entropy
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_bce: Option<f64>,
    /// mean KL divergence over the validation pictures, nats per image
    pub validation_kl: Option<f64>,
    /// (negative log-likelihood + KL) of the validation pictures in bits per value, for pixels that are continuous
    /// values from 0 to 1. Only if the likelihood is a density: the binary cross-entropy is not
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_bits_per_value: Option<f64>,
    /// `validation_bits_per_value` for 8-bit pixels, in bits per dimension: 8 more
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_bits_per_dim: Option<f64>,
    /// pictures per second over the epoch
    pub images_per_second: f64,
    /// duration of the epoch with its validation
    pub seconds: f64,
    /// whether the validation loss is the lowest so far
    pub best: bool,
}

/// Appends lines to `metrics.jsonl`.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    file: fs::File,
}

impl MetricsFile {
    /// Opens the file and removes the lines that a run resuming from `state` will write again.
    pub(super) fn open(path: &Path, state: &State) -> Result<Self> {
        if let Ok(text) = fs::read_to_string(path) {
            let kept: String =
                text.lines().filter(|line| keeps(line, state)).map(|line| format!("{line}\n")).collect();
            if kept != text {
                crate::data::write_whole(path, |file| file.write_all(kept.as_bytes()))?;
            }
        }
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { path: path.to_path_buf(), file: file.map_err(Error::io("write", path))? })
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// Whether a line is complete and belongs to a step or epoch that `state` has finished.
fn keeps(line: &str, state: &State) -> bool {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return false };
    let done = |key: &str| value[key].as_u64();
    match value["kind"].as_str() {
        Some("epoch") => done("epoch").is_some_and(|epoch| epoch < u64::from(state.epoch)),
        _ => done("step").is_some_and(|step| step <= state.step),
    }
}
