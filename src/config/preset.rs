//! Presets: sizes of a model and of its batch under one name.

use serde::{Deserialize, Serialize};

use super::names::named;
use super::{ModelConfig, Table};
use crate::error::Result;

/// Sizes of a model, and its batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 256 px, hidden 64, latent 128, batch 64: the reference implementation's model, 56.0 M parameters
    Reference,
    /// 128 px, hidden 32, latent 128, batch 32: for the GPU of a laptop
    Laptop,
    /// 64 px, hidden 16, latent 32, batch 16: trains in minutes on any adapter
    Demo,
}

named! { Preset: Reference "reference", Laptop "laptop", Demo "demo" }

impl Preset {
    /// The settings of the preset.
    ///
    /// # Errors
    /// Never: a table has values of these types.
    pub fn table(self) -> Result<Table> {
        let (model, batch_size) = match self {
            Self::Reference => (ModelConfig::REFERENCE, 64),
            Self::Laptop => (ModelConfig::LAPTOP, 32),
            Self::Demo => (ModelConfig::DEMO, 16),
        };
        Ok(model.table()?.over(&Table::of_setting("batch-size", batch_size)?))
    }
}
