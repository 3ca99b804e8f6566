//! The state of a run: everything that the next step depends on, and the environment of the run.
//! Read this to add a field to `state.json`, or to raise its version.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::model::Loss;
use crate::ops::loss_scale::LossScale;

/// Version of the format: 4 added the held-out pictures, 5 renamed fields (`step_in_epoch`, `bad_epochs`, `lr_drops`,
/// `kl_penalty`, `found_inf`, `growth_tracker`).
pub const VERSION: u32 = 5;
/// Oldest format that can be read.
const OLDEST: u32 = 3;

/// The checkpoint with the lowest validation loss so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// name of the checkpoint
    pub name: String,
    /// validation loss in nats per image
    pub loss: f64,
}

/// A change of the number of epochs during the run: the schedules of the learning rate and of beta continue from their
/// position at the change, and end with the new last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Replanned {
    /// number of epochs that the schedules were planned for
    pub planned: u32,
    /// position in the old schedule at the change, in epochs
    pub place: f64,
    /// epochs finished at the change
    pub done: f64,
}

/// Length and CRC-32 of a file: detects damage, not manipulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// length in bytes
    pub bytes: u64,
    /// CRC-32 as in zip and PNG
    pub crc32: u32,
}

impl Digest {
    /// The digest of a file's content.
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }

    /// Compares `content` with the digest.
    ///
    /// # Errors
    /// [`Error::Model`] that says whether the length or the content differs.
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

/// CRC-32 of a JSON text without white space between its tokens. It is computed on the text, so it does not depend on
/// this version's field names.
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

/// The number of processes in runs that are older than the field.
fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(ranks: &u32) -> bool {
    *ranks == 1
}

/// Content of `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// format version
    pub format: u32,
    /// version of the program that wrote it
    pub version: String,
    /// commit that it was built from; empty if unknown
    pub commit: String,
    /// digest of the shaders
    pub shaders: String,
    /// adapter and driver used for training
    pub adapter: String,
    /// pictures computed at once: the micro-batch
    pub micro_batch: u32,
    /// digest of the names and sizes of the training pictures
    pub data: String,
    /// digest of the held-out pictures, on which losses are compared; unknown in runs of format 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
    /// finished steps of the run
    pub step: u64,
    /// epoch of the next step, from 1
    pub epoch: u32,
    /// finished steps of the current epoch
    #[serde(alias = "cursor")]
    pub step_in_epoch: u64,
    /// loss summed over the current epoch
    pub epoch_loss: Loss,
    /// pictures seen in the current epoch
    pub epoch_images: u64,
    /// the best checkpoint so far
    pub best: Option<Best>,
    /// consecutive epochs without a new lowest validation loss
    #[serde(alias = "stale")]
    pub bad_epochs: u32,
    /// epochs after which the plateau schedule halved the learning rate
    #[serde(alias = "cuts")]
    pub lr_drops: Vec<u32>,
    /// loss scale, if the training uses f16
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<LossScale>,
    /// continuation of the schedules, if the number of epochs was changed during the run
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replanned: Option<Replanned>,
    /// processes that train the model
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: u32,
    /// pictures of a full batch that each of them computes, if they are divided by speed
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<u32>,
    /// settings of the run
    pub config: TrainConfig,
    /// digests of the other files of the checkpoint
    pub files: BTreeMap<String, Digest>,
    /// CRC-32 of this text with a 0 for this field
    pub checksum: u32,
}

impl State {
    /// The state before the first step; the training fills in the environment.
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
            ranks: 1,
            shares: Vec::new(),
            config,
            files: BTreeMap::new(),
            checksum: 0,
        }
    }

    /// Encodes the state with its checksum; floats keep every bit.
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
