//! The sizes of a flow: the network that turns noise into latents.

use serde::{Deserialize, Serialize};

use super::names::named;
use super::{Architecture, ModelConfig};
use crate::error::{Error, Result};

/// Classes of a flow, at most: one input of its condition each.
const MAX_CLASSES: u32 = 1024;

/// The width of a flow's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowSize {
    /// one block of 32 channels a place: for CPUs and short trainings
    Small,
    /// two blocks of 64 channels a place: for a GPU
    Wide,
}

named! { FlowSize: Small "small", Wide "wide" }

/// The sizes that determine every layer of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowConfig {
    /// cells along each edge of the grid of latents; 1 for a vector
    pub edge: u32,
    /// latent channels of a cell
    pub channels: u32,
    /// channels of the network at the grid; at half the resolution twice this number
    pub width: u32,
    /// residual blocks before, between and after the two changes of resolution
    pub blocks: u32,
    /// classes that the flow can be asked for
    pub classes: u32,
}

impl FlowConfig {
    /// The flow of this size for the latents of a model.
    pub fn new(model: &ModelConfig, size: FlowSize, classes: u32) -> Self {
        let edge = match model.architecture {
            Architecture::Reference => 1,
            Architecture::Spatial => model.grid_edge(),
        };
        // a vector has one place only, with room for what a grid has in three
        let (width, blocks) = match (edge, size) {
            (1, FlowSize::Small) => (256, 3),
            (1, FlowSize::Wide) => (384, 3),
            (_, FlowSize::Small) => (32, 1),
            (_, FlowSize::Wide) => (64, 2),
        };
        Self { edge, channels: model.latent, width, blocks, classes }
    }

    /// Whether the network has a part at half the resolution.
    pub fn has_lower(&self) -> bool {
        self.edge >= 4 && self.edge.is_multiple_of(2)
    }

    /// Latent dimensions of a picture.
    pub fn latents(&self) -> u32 {
        self.edge * self.edge * self.channels
    }

    /// Whether it draws latents of `model`.
    pub fn fits(&self, model: &ModelConfig) -> bool {
        let own = Self::new(model, FlowSize::Small, 0);
        (self.edge, self.channels) == (own.edge, own.channels)
    }

    /// Checks the sizes, which a file may have wrong.
    ///
    /// # Errors
    /// [`Error::Usage`] with the size that is out of its range.
    pub fn checked(self) -> Result<Self> {
        let Self { edge, channels, width, blocks, classes } = self;
        let good = (1..=2048).contains(&edge)
            && (1..=65_536).contains(&channels)
            && (edge == 1 || channels.is_multiple_of(4))
            && (4..=4096).contains(&width)
            && width.is_multiple_of(4)
            && (1..=16).contains(&blocks)
            && classes <= MAX_CLASSES;
        if good { Ok(self) } else { Err(Error::Usage(format!("impossible sizes of a flow: {self:?}"))) }
    }
}
