//! Where a run stands: everything that the next step depends on, and what it was made with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::model::Loss;
use crate::ops::loss_scale::LossScale;

/// Version of the format: 4 added the held-out pictures, 5 changed names (`step_in_epoch`, `bad_epochs`, `lr_drops`,
/// `kl_penalty`, `found_inf`, `growth_tracker`).
pub const VERSION: u32 = 5;
/// The oldest format that is read.
const OLDEST: u32 = 3;

/// The checkpoint with the lowest validation loss so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// its name
    pub name: String,
    /// its validation loss in nats per image
    pub loss: f64,
}

/// A change of the number of epochs on the way: the schedules of the learning rate and of beta go on from where they were
/// then, and come to their end with the new last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Replanned {
    /// epochs that the schedules were planned for
    pub planned: u32,
    /// where in these they stood at the change, in epochs
    pub place: f64,
    /// epochs that were done then
    pub done: f64,
}

/// Length and CRC-32 of a file: against damage, not against malice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// its length
    pub bytes: u64,
    /// as zip and PNG compute it
    pub crc32: u32,
}

impl Digest {
    /// Of a file's content.
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }

    /// An error if `content` is not what it was.
    ///
    /// # Errors
    /// [`Error::Model`] that says whether it was cut or altered.
    pub fn check(self, path: &Path, content: &[u8]) -> Result<()> {
        let is = Self::of(content);
        if is == self {
            return Ok(());
        }
        let how = if is.bytes == self.bytes {
            "its bytes were altered since it was written (checksum)".to_owned()
        } else {
            format!("it has {} bytes and was written with {}", is.bytes, self.bytes)
        };
        Err(Error::model(path, format!("damaged: {how}")))
    }
}

/// CRC-32 of a JSON text without the white space between its tokens, so that it does not depend on the names that this
/// version gives the fields.
fn checksum(text: &str) -> u32 {
    let (mut quoted, mut escaped) = (false, false);
    let counts = |byte: &u8| {
        let space = !quoted && byte.is_ascii_whitespace();
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        !space
    };
    crc32fast::hash(&text.bytes().filter(counts).collect::<Vec<u8>>())
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// of this format
    pub format: u32,
    /// of the program that wrote it
    pub version: String,
    /// the commit it was built from; empty if it was not built from one
    pub commit: String,
    /// digest of the shaders it computed with
    pub shaders: String,
    /// the adapter it was trained on, with its driver
    pub adapter: String,
    /// pictures computed at once
    pub micro_batch: u32,
    /// digest of the training pictures' names and sizes
    pub data: String,
    /// the same of the held-out pictures, which losses are compared on; unknown in runs of format 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
    /// finished steps of the run
    pub step: u64,
    /// the epoch that the next step belongs to, from 1
    pub epoch: u32,
    /// finished steps of that epoch
    #[serde(alias = "cursor")]
    pub step_in_epoch: u64,
    /// loss summed over that epoch so far
    pub epoch_loss: Loss,
    /// pictures seen in that epoch so far
    pub epoch_images: u64,
    /// the best checkpoint so far
    pub best: Option<Best>,
    /// epochs in a row whose validation loss was not the lowest so far
    #[serde(alias = "stale")]
    pub bad_epochs: u32,
    /// epochs after which the plateau schedule halved the learning rate
    #[serde(alias = "cuts")]
    pub lr_drops: Vec<u32>,
    /// the factor on gradients, where the training is in f16
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<LossScale>,
    /// how the schedules go on, where the number of epochs has been changed on the way
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replanned: Option<Replanned>,
    /// the settings
    pub config: TrainConfig,
    /// of the other files of the checkpoint
    pub files: BTreeMap<String, Digest>,
    /// of this text with a 0 in this place
    pub checksum: u32,
}

impl State {
    /// Before the first step; what it is made with comes from the training.
    pub fn new(config: TrainConfig) -> Self {
        Self {
            format: VERSION,
            version: String::new(),
            commit: String::new(),
            shaders: String::new(),
            adapter: String::new(),
            micro_batch: 0,
            data: String::new(),
            held_out: None,
            step: 0,
            epoch: 1,
            step_in_epoch: 0,
            epoch_loss: Loss::default(),
            epoch_images: 0,
            best: None,
            bad_epochs: 0,
            lr_drops: Vec::new(),
            scaling: None,
            replanned: None,
            config,
            files: BTreeMap::new(),
            checksum: 0,
        }
    }

    /// As text with its checksum; floats keep every bit.
    pub fn to_json(&self) -> String {
        let text = |state: &Self| serde_json::to_string_pretty(state).unwrap_or_default() + "\n";
        let blank = Self { checksum: 0, ..self.clone() };
        text(&Self { checksum: checksum(&text(&blank)), ..blank })
    }

    /// Reads `state.json`.
    ///
    /// # Errors
    /// [`Error::Model`] if it is missing, damaged or of a newer format.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let damaged = |e: serde_json::Error| Error::model(path, format!("damaged: {e}"));
        let any: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        let known = u64::from(OLDEST)..=u64::from(VERSION);
        if any["format"].as_u64().is_some_and(|format| !known.contains(&format)) {
            let reason =
                format!("is of format {}; this version reads formats {OLDEST} to {VERSION}", any["format"]);
            return Err(Error::model(path, reason));
        }
        let state: Self = serde_json::from_value(any).map_err(damaged)?;
        let [said, blank] = [state.checksum, 0].map(|sum| format!("\"checksum\": {sum}\n"));
        if !text.contains(&said) || state.checksum != checksum(&text.replace(&said, &blank)) {
            return Err(Error::model(path, "damaged: its text was altered since it was written (checksum)"));
        }
        Ok(state)
    }
}
