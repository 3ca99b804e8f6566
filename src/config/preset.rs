//! Presets: a network, its sizes, its batch and the length of its training under one name.

use serde::{Deserialize, Serialize};

use super::names::named;
use super::{Architecture, ModelConfig, Table};
use crate::error::Result;

/// A network with sizes that fit a purpose, and its batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 256 px, hidden 64, latent 128, batch 64: the reference implementation's model, 56.0 M parameters
    Reference,
    /// 256 px, spatial, hidden 64, latent 16 x 16 x 32, batch 32: for photographs, on a GPU
    Photo,
    /// 128 px, spatial, hidden 32, latent 16 x 16 x 8, batch 32: for the GPU of a laptop
    Laptop,
    /// 64 px, spatial, hidden 16, latent 8 x 8 x 8, batch 16: trains in a minute on any adapter
    Demo,
}

named! { Preset: Reference "reference", Photo "photo", Laptop "laptop", Demo "demo" }

impl Preset {
    /// The kind of network, if the settings name none.
    pub fn architecture(self) -> Architecture {
        match self {
            Self::Reference => Architecture::Reference,
            Self::Photo | Self::Laptop | Self::Demo => Architecture::Spatial,
        }
    }

    /// The settings of the preset for a kind of network. The reference has sizes of its own under every name.
    ///
    /// # Errors
    /// Never: a table has values of these types.
    pub fn table(self, architecture: Architecture) -> Result<Table> {
        let (model, batch_size, epochs) = match (architecture, self) {
            (Architecture::Reference, Self::Reference | Self::Photo) => (ModelConfig::REFERENCE, 64, 10),
            (Architecture::Reference, Self::Laptop) => (ModelConfig::reference(128, 32, 128), 32, 10),
            (Architecture::Reference, Self::Demo) => (ModelConfig::reference(64, 16, 32), 16, 10),
            (Architecture::Spatial, Self::Reference | Self::Photo) => (ModelConfig::PHOTO, 32, 10),
            (Architecture::Spatial, Self::Laptop) => (ModelConfig::LAPTOP, 32, 10),
            (Architecture::Spatial, Self::Demo) => (ModelConfig::DEMO, 16, 12),
        };
        let others = Table::of_setting("batch-size", batch_size)?.over(&Table::of_setting("epochs", epochs)?);
        // most photographs are as likely the other way round; the demo's landscapes are drawn in any number
        let mirrored = architecture == Architecture::Spatial && self != Self::Demo;
        Ok(model.table()?.over(&others).over(&Table::of_setting("flip", mirrored)?))
    }
}
