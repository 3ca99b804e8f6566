//! The sizes of a model.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::named;
use super::{Likelihood, Table};
use crate::error::{Error, Result};

/// The kind of network; its layers are in `model/architectures`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// four convolutions, a linear bottleneck, four transposed convolutions
    #[default]
    Reference,
    /// convolutions to a grid of latents and back, no linear layer
    Spatial,
}

named! { Architecture: Reference "reference", Spatial "spatial" }

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
    #[serde(rename = "model", default, skip_serializing_if = "Architecture::is_reference")]
    pub architecture: Architecture,
    /// edge of the square pictures in pixels, a multiple of 16
    pub size: u32,
    /// channels after the first convolution; each of the next ones has twice the channels of the one before
    pub hidden: u32,
    /// latent dimensions; in a spatial model latent channels of each cell, a multiple of 4
    pub latent: u32,
    /// in a spatial model, cells along each edge of the grid of latents; an eighth of `size` if it is not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<u32>,
    /// whether the logarithm of the likelihood's width is a parameter, `log_sigma`; the likelihood decides it
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learned_sigma: bool,
}

/// `64 px, hidden 16, latent 32`, or `64 px, hidden 16, latent 8 x 8 x 8`.
impl fmt::Display for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { architecture, size, hidden, latent, .. } = self;
        write!(f, "{size} px, hidden {hidden}, latent ")?;
        match architecture {
            Architecture::Reference => write!(f, "{latent}"),
            Architecture::Spatial => write!(f, "{0} x {0} x {latent}", self.grid_edge()),
        }
    }
}

impl ModelConfig {
    /// The model of the reference implementation: 256 px, 56.0 M parameters.
    pub const REFERENCE: Self = Self::reference(256, 64, 128);
    /// For photographs, on a GPU: 256 px.
    pub const PHOTO: Self = Self { grid: Some(16), ..Self::by_size(256, 64, 32) };
    /// For the GPU of a laptop: 128 px.
    pub const LAPTOP: Self = Self::by_size(128, 32, 8);
    /// For a training of a minute on any adapter: 64 px.
    pub const DEMO: Self = Self::by_size(64, 16, 8);

    /// The reference architecture in these sizes.
    pub const fn reference(size: u32, hidden: u32, latent: u32) -> Self {
        Self { architecture: Architecture::Reference, size, hidden, latent, grid: None, learned_sigma: false }
    }

    /// The spatial architecture with `latent` channels on a grid of `grid` x `grid` cells.
    pub const fn spatial(size: u32, hidden: u32, latent: u32, grid: u32) -> Self {
        Self { grid: Some(grid), ..Self::by_size(size, hidden, latent) }
    }

    /// The spatial architecture with the grid that fits the size.
    const fn by_size(size: u32, hidden: u32, latent: u32) -> Self {
        Self { architecture: Architecture::Spatial, size, hidden, latent, grid: None, learned_sigma: false }
    }

    /// With the parameters that this likelihood needs.
    #[must_use]
    pub fn with_likelihood(self, likelihood: Likelihood) -> Self {
        Self { learned_sigma: likelihood.learns_sigma(), ..self }
    }

    /// Cells of the grid of latents: 1 in the reference.
    pub fn cells(&self) -> u32 {
        match self.architecture {
            Architecture::Reference => 1,
            Architecture::Spatial => self.grid_edge().pow(2),
        }
    }

    /// Edge of the grid of a spatial model in cells.
    pub fn grid_edge(&self) -> u32 {
        self.grid.unwrap_or(self.size / 8)
    }

    /// Latent dimensions of a picture, all cells together.
    pub fn latents(&self) -> u32 {
        self.latent * self.cells()
    }

    /// The default settings of a training of this architecture, where they are not the reference's.
    ///
    /// # Errors
    /// Never: the texts are TOML.
    pub(super) fn training_defaults(architecture: Architecture) -> Result<Table> {
        let text = match architecture {
            Architecture::Reference => "",
            Architecture::Spatial => {
                "loss = 'gaussian'\nbeta = 1.0\nbeta-schedule = 'auto'\nlr = 2e-3\nlr-schedule = 'cosine'\nwarmup = 100"
            }
        };
        toml::from_str(text).map_err(|e| Error::Usage(e.message().to_owned()))
    }

    fn check_grid(&self) -> Result<()> {
        let (size, grid) = (self.size, self.grid_edge());
        let usage = |message: String| Err(Error::Usage(message));
        if self.architecture == Architecture::Reference {
            return match self.grid {
                Some(_) => usage("--grid: has no effect without --model spatial".into()),
                None => Ok(()),
            };
        }
        if grid == 0 || size % grid != 0 || !matches!(size / grid, 2 | 4 | 8 | 16 | 32) {
            return usage(format!(
                "--grid {grid}: cells of a picture of {size} px must be 2, 4, 8, 16 or 32 px wide, for example \
                 --grid {}",
                size / 8
            ));
        }
        if !self.latent.is_multiple_of(4) {
            let latent = self.latent;
            return usage(format!(
                "--latent {latent}: a spatial model has a multiple of 4 channels, for example 8"
            ));
        }
        Ok(())
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
            good => good.check_grid().map(|()| good),
        }
    }

    /// The sizes as a table of settings.
    ///
    /// # Errors
    /// Never: a table has values of these types.
    pub fn table(&self) -> Result<Table> {
        // the likelihood says whether its width is learned
        Ok(Table::of(self)?.flat().only(|key| key != "learned-sigma"))
    }
}
