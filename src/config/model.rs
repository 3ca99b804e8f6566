//! The sizes of a model.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::error::{Error, Result};

/// The sizes that determine every layer of a model.
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
    /// For the GPU of a laptop: 128 px.
    pub const LAPTOP: Self = Self { size: 128, hidden: 32, latent: 128 };
    /// For a training of minutes on any adapter: 64 px.
    pub const DEMO: Self = Self { size: 64, hidden: 16, latent: 32 };

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

    /// The sizes as a table of settings.
    ///
    /// # Errors
    /// Never: a table has values of these types.
    pub fn table(&self) -> Result<Table> {
        Ok(Table::of(self)?.flat())
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

#[cfg(test)]
mod tests {
    use super::ModelConfig;

    #[test]
    fn the_reference_has_as_many_parameters_as_in_pytorch() {
        assert_eq!(ModelConfig::REFERENCE.parameters(), 55_975_555);
    }
}
