//! Where a run stands: everything that the next step depends on, and what it was made with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::model::Loss;
use crate::ops::scaling::Scaling;

/// Of the state's format.
pub const VERSION: u32 = 1;

/// The checkpoint with the lowest validation loss so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// its name
    pub name: String,
    /// its validation loss in nats per image
    pub loss: f64,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// of this format
    pub format: u32,
    /// of the program that wrote it
    pub version: String,
    /// the adapter it was trained on
    pub adapter: String,
    /// digest of the training pictures' names and sizes
    pub data: String,
    /// finished steps of the run
    pub step: u64,
    /// the epoch that the next step belongs to, from 1
    pub epoch: u32,
    /// finished steps of that epoch
    pub cursor: u64,
    /// loss summed over that epoch so far
    pub epoch_loss: Loss,
    /// pictures seen in that epoch so far
    pub epoch_images: u64,
    /// the best checkpoint so far
    pub best: Option<Best>,
    /// the factor on gradients, where the training is in f16
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// the settings
    pub config: TrainConfig,
}

impl State {
    /// As text; floats keep every bit.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads `state.json`.
    ///
    /// # Errors
    /// [`Error::Model`] if it is missing, damaged or of a newer format.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let state: Self =
            serde_json::from_str(&text).map_err(|e| Error::model(path, format!("damaged: {e}")))?;
        if state.format != VERSION {
            let reason = format!("is of format {}; this version reads format {VERSION}", state.format);
            return Err(Error::model(path, reason));
        }
        Ok(state)
    }
}
