//! `metrics.jsonl`: one line per logged step and per epoch, nats per image, and lines about the training itself.
//! Read this for the meaning of each field, or to add one.
//!
//! Readers ignore kinds of lines and fields that they do not know. A change that they must know of raises [`FORMAT`].

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::checkpoint::State;
use crate::error::{Error, Result};

/// Format of the file, in its lines of the kind "start". Files without such a line are of format 1 too.
pub const FORMAT: u32 = 1;

/// Line of a process that begins or resumes the training.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Start {
    /// "start"
    pub(super) kind: &'static str,
    /// finished steps of the run
    pub(super) step: u64,
    /// epoch that begins or goes on, from 1
    pub(super) epoch: u32,
    /// [`FORMAT`]
    pub(super) format: u32,
    /// version of the program
    pub(super) version: &'static str,
    /// seconds since 1970
    pub(super) time: u64,
    /// epochs that are planned
    pub(super) epochs: u32,
    /// steps of a whole epoch
    pub(super) steps_per_epoch: u64,
    /// training pictures
    pub(super) pictures: usize,
    /// validation pictures
    pub(super) held_out: usize,
    /// parameters of the model
    pub(super) parameters: u64,
    /// latent dimensions of a picture
    pub(super) latents: u32,
    /// cells of the grid that they are on; 1 without a grid
    pub(super) cells: u32,
    /// adapter
    pub(super) adapter: String,
    /// memory on the device in bytes
    pub(super) device_bytes: u64,
    /// processes that train the model, if there are several
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ranks: Option<u32>,
}

/// Line of the latents after an epoch: mean KL divergences over at most 256 pictures, held-out ones if there are any, in
/// nats, four digits each.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LatentMetrics {
    /// "latents"
    pub(super) kind: &'static str,
    /// finished steps of the run
    pub(super) step: u64,
    /// number of the epoch, from 1
    pub(super) epoch: u32,
    /// dimensions below [`super::diagnostics::UNUSED`]
    pub(super) unused: usize,
    /// a value for each dimension; on a grid one for each channel, summed over the cells
    pub(super) kl: Vec<f64>,
    /// a value for each cell of a grid, row by row, summed over the channels
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) kl_per_cell: Vec<f64>,
}

impl LatentMetrics {
    /// For `kl` of each dimension, cell by cell.
    pub(super) fn new(step: u64, epoch: u32, kl: &[f64], cells: u32) -> Self {
        let channels = (kl.len() / cells.max(1) as usize).max(1);
        let unused = kl.iter().filter(|kl| **kl < super::diagnostics::UNUSED).count();
        let of_channel = |channel| kl.iter().skip(channel).step_by(channels).sum();
        let of_channels = (0..channels).map(of_channel).map(four_digits).collect();
        let of_cells = kl.chunks(channels).map(|cell| four_digits(cell.iter().sum()));
        let kl_per_cell = if cells > 1 { of_cells.collect() } else { Vec::new() };
        Self { kind: "latents", step, epoch, unused, kl: of_channels, kl_per_cell }
    }
}

/// `value` rounded to four significant digits.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Line of advice.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AdviceLine<'a> {
    /// "advice"
    pub(super) kind: &'static str,
    /// finished steps of the run
    pub(super) step: u64,
    /// number of the epoch, from 1
    pub(super) epoch: u32,
    /// the advice, with its figures
    pub(super) text: &'a str,
}

/// Line of a training that has ended as it should.
#[derive(Debug, Clone, Serialize)]
pub(super) struct End {
    /// "end"
    pub(super) kind: &'static str,
    /// finished steps of the run
    pub(super) step: u64,
    /// number of the epoch, from 1
    pub(super) epoch: u32,
    /// "finished", "early", "stopped" or "limited"
    pub(super) outcome: &'static str,
}

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
    /// memory of the process at the end of the epoch in bytes, if the system tells
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// whether the validation loss is the lowest so far
    pub best: bool,
    /// pictures of each batch that each process has computed, if they are divided by speed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<u32>>,
}

/// Appends lines to `metrics.jsonl`.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    /// `None` on a rank that writes nothing
    file: Option<fs::File>,
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
        Ok(Self { path: path.to_path_buf(), file: Some(file.map_err(Error::io("write", path))?) })
    }

    /// For a rank that writes nothing.
    pub(super) fn nowhere() -> Self {
        Self { path: PathBuf::new(), file: None }
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(Error::io("write", &self.path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergences_add_up_over_cells_and_over_channels() {
        // two cells of three channels
        let kl = [1.0, 2.0, 0.001, 10.0, 20.000_04, 30.0];
        let line = LatentMetrics::new(8, 2, &kl, 2);
        assert_eq!((line.kl, line.kl_per_cell, line.unused), (vec![11.0, 22.0, 30.0], vec![3.001, 60.0], 1));
        let line = LatentMetrics::new(8, 2, &kl, 1);
        assert_eq!((line.kl.len(), line.kl[4], line.kl_per_cell), (6, 20.0, vec![]));
    }
}
