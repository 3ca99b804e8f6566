//! The settings of a model and of a training, their presets, and what is allowed.

mod memory;
mod names;
mod objective;
mod optimizer;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use memory::free_memory;
pub use objective::{BetaSchedule, Likelihood, LossKind, Objective};
pub use optimizer::{Augmentation, LrSchedule, Optimizer};

use crate::error::{Error, Result};

/// The architecture: everything else about the network follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// edge of the square pictures in pixels, a multiple of 16
    pub size: u32,
    /// channels after the first convolution; the next three have 2, 4 and 8 times as many
    pub hidden: u32,
    /// latent dimensions
    pub latent: u32,
}

impl ModelConfig {
    /// The model of the reference implementation: 256 px, 56.0 M parameters.
    pub const REFERENCE: Self = Self { size: 256, hidden: 64, latent: 128 };
    /// For a laptop's GPU: 128 px.
    pub const LAPTOP: Self = Self { size: 128, hidden: 32, latent: 128 };
    /// For a few minutes on anything: 64 px and small.
    pub const DEMO: Self = Self { size: 64, hidden: 16, latent: 32 };

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the one that cannot be.
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
            good => good.addressable(),
        }
    }

    /// Kernels index with 32 bits: the largest weight and one picture's largest activation must fit.
    fn addressable(self) -> Result<Self> {
        let wide = |n: u32| u64::from(n.next_multiple_of(4));
        let heads = 2 * wide(self.latent) * wide(8 * self.hidden) * u64::from(self.side()).pow(2);
        let activation = wide(self.hidden) * u64::from(self.size / 2).pow(2);
        if heads.max(activation) > u64::from(u32::MAX) {
            return Err(Error::Usage(format!(
                "--size {}, --hidden {}, --latent {}: {} elements in one tensor, and kernels index with 32 bits; \
                 lower one of them",
                self.size,
                self.hidden,
                self.latent,
                heads.max(activation)
            )));
        }
        Ok(self)
    }

    /// Channels of the activations from the picture to the bottleneck: 3, h, 2h, 4h, 8h.
    pub fn widths(&self) -> [u32; 5] {
        [3, self.hidden, 2 * self.hidden, 4 * self.hidden, 8 * self.hidden]
    }

    /// Edge of the bottleneck in pixels.
    pub fn side(&self) -> u32 {
        self.size / 16
    }

    /// Parameters, as PyTorch counts them.
    pub fn parameters(&self) -> u64 {
        let widths = self.widths().map(u64::from);
        let (flat, latent) = (widths[4] * u64::from(self.side()).pow(2), u64::from(self.latent));
        let conv = |(a, b): (u64, u64)| 2 * 16 * a * b + a + b;
        let convolutions: u64 = widths.into_iter().zip(widths.into_iter().skip(1)).map(conv).sum();
        convolutions + 2 * (flat * latent + latent) + flat * latent + flat
    }
}

/// How pictures are made square.
pub use crate::data::Resize;
/// What activations are made of.
pub use crate::element::Element;

/// Everything that decides what a training computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// the architecture
    #[serde(flatten)]
    pub model: ModelConfig,
    /// pictures per step
    pub batch_size: u32,
    /// passes over the training pictures
    pub epochs: u32,
    /// Adam's learning rate
    pub lr: f64,
    /// weight of KL in the loss
    pub beta: f64,
    /// of the initial weights, the shuffling, the draws and the split
    pub seed: u64,
    /// how pictures are made square
    pub resize: Resize,
    /// what activations and their gradients are made of; runs from before there was a choice are in f32
    #[serde(default)]
    pub precision: Element,
    /// what is minimised
    #[serde(default)]
    pub objective: Objective,
    /// how it is minimised
    #[serde(default)]
    pub optimizer: Optimizer,
    /// how the training pictures are varied
    #[serde(default)]
    pub augmentation: Augmentation,
}

impl Default for TrainConfig {
    /// The reference's training.
    fn default() -> Self {
        Self {
            model: ModelConfig::REFERENCE,
            batch_size: 64,
            epochs: 10,
            lr: 1e-3,
            beta: 0.2,
            seed: 0,
            resize: Resize::default(),
            precision: Element::default(),
            objective: Objective::default(),
            optimizer: Optimizer::default(),
            augmentation: Augmentation::default(),
        }
    }
}

impl TrainConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the one that cannot be.
    pub fn checked(self) -> Result<Self> {
        self.model.checked()?;
        let usage = |message: String| Err(Error::Usage(message));
        if self.batch_size == 0 || self.batch_size > 65_536 {
            return usage(format!("--batch-size {}: must be between 1 and 65536", self.batch_size));
        }
        if self.epochs == 0 {
            return usage("--epochs 0: must be at least 1".into());
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return usage(format!("--lr {}: must be a positive number, for example 1e-3", self.lr));
        }
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return usage(format!(
                "--beta {}: must be zero or a positive number, for example 0.2",
                self.beta
            ));
        }
        self.objective.checked(self.batch_size)?;
        self.optimizer.checked()?;
        self.augmentation.checked()?;
        Ok(self)
    }
}

/// The folder for what can be made again: `WGVAE_CACHE_DIR`, else `wgvae` in the user's cache folder
/// (`XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`). It may not exist yet; `None` where
/// the system names no such place.
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_by(std::env::consts::OS, |name| std::env::var_os(name))
}

fn cache_folder_by(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = named("WGVAE_CACHE_DIR") {
        return Some(own);
    }
    let user = match os {
        "windows" => named("LOCALAPPDATA"),
        "macos" => named("HOME").map(|home| home.join("Library/Caches")),
        // a relative path there is to be ignored, says the specification
        _ => named("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| named("HOME").map(|home| home.join(".cache"))),
    };
    user.map(|folder| folder.join("wgvae"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{ModelConfig, cache_folder_by};

    #[test]
    fn the_cache_lies_where_the_system_wants_it() {
        let found = |os: &str, set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
            cache_folder_by(os, value)
        };
        let home = ("HOME", "/home/a");
        assert_eq!(found("linux", &[home]), Some(PathBuf::from("/home/a/.cache/wgvae")));
        assert_eq!(found("linux", &[home, ("XDG_CACHE_HOME", "/x")]), Some(PathBuf::from("/x/wgvae")));
        assert_eq!(found("linux", &[home, ("XDG_CACHE_HOME", "x")]), found("linux", &[home]));
        assert_eq!(found("macos", &[home]), Some(PathBuf::from("/home/a/Library/Caches/wgvae")));
        assert_eq!(found("windows", &[("LOCALAPPDATA", "/l")]), Some(PathBuf::from("/l/wgvae")));
        assert_eq!(found("linux", &[home, ("WGVAE_CACHE_DIR", "own")]), Some(PathBuf::from("own")));
        assert_eq!(found("linux", &[home, ("WGVAE_CACHE_DIR", "")]), found("linux", &[home]));
        assert_eq!(found("linux", &[("HOME", "")]), None);
    }

    #[test]
    fn the_reference_has_as_many_parameters_as_in_pytorch() {
        assert_eq!(ModelConfig::REFERENCE.parameters(), 55_975_555);
    }
}
