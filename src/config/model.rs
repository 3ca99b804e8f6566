//! The sizes of a model.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::error::{Error, Result};

/// The kind of network; its layers are in `model/architectures`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// four convolutions, a linear bottleneck, four transposed convolutions
    #[default]
    Reference,
}

impl Architecture {
    /// Whether files leave it out, as those of earlier versions do.
    pub fn is_reference(&self) -> bool {
        *self == Self::Reference
    }
}

/// The architecture and the sizes that determine every layer of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// kind of network
    #[serde(default, skip_serializing_if = "Architecture::is_reference")]
    pub architecture: Architecture,
    /// edge of the square pictures in pixels, a multiple of 16
    pub size: u32,
    /// channels after the first convolution; the next three have 2, 4 and 8 times as many
    pub hidden: u32,
    /// latent dimensions
    pub latent: u32,
}

impl ModelConfig {
    /// The model of the reference implementation: 256 px, 56.0 M parameters.
    pub const REFERENCE: Self = Self::reference(256, 64, 128);
    /// For the GPU of a laptop: 128 px.
    pub const LAPTOP: Self = Self::reference(128, 32, 128);
    /// For a training of minutes on any adapter: 64 px.
    pub const DEMO: Self = Self::reference(64, 16, 32);

    /// The reference architecture in these sizes.
    pub const fn reference(size: u32, hidden: u32, latent: u32) -> Self {
        Self { architecture: Architecture::Reference, size, hidden, latent }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the size that is out of its range.
    pub fn checked(self) -> Result<Self> {
        let usage = |message: String| Err(Error::Usage(message));
        match self {
            Self { size, .. } if size == 0 || size % 16 != 0 || size > 4096 => {
                let below = (size / 16 * 16).clamp(16, 4096);
                usage(format!(
                    "--size {size}: must be a multiple of 16 between 16 and 4096, for example {below}"
                ))
            }
            Self { hidden, .. } if hidden == 0 || hidden > 1024 => {
                usage(format!("--hidden {hidden}: must be between 1 and 1024"))
            }
            Self { latent, .. } if latent == 0 || latent > 65_536 => {
                usage(format!("--latent {latent}: must be between 1 and 65536"))
            }
            good => Ok(good),
        }
    }

    /// The sizes as a table of settings.
    ///
    /// # Errors
    /// Never: a table has values of these types.
    pub fn table(&self) -> Result<Table> {
        Ok(Table::of(self)?.flat())
    }
}
