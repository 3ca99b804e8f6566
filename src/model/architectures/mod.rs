//! Networks as lists of layers: what a model's configuration means.

mod reference;
mod spatial;

use super::layer::{Layer, Sequential};
use super::params::{Init, ParamSpec, TorchLayout, TorchParam};
use crate::config::{Architecture, ModelConfig};
use crate::error::{Error, Result};

/// The two halves of an autoencoder.
pub struct Autoencoder {
    /// from `x` `[N, S, S, 4]` to mean and log-variance, `[N, 2, Z]` or `[N, g, g, 2 C]`
    pub encoder: Sequential,
    /// shape of one picture's z: `[Z]`, or `[g, g, C]` on a grid
    pub latent: Vec<u32>,
    /// from `z` to logits `[N, S, S, 4]`
    pub decoder: Sequential,
    /// whether the likelihood has a parameter, the logarithm of its width
    pub log_sigma: bool,
}

/// The name of the likelihood's parameter, the logarithm of its width.
pub const LOG_SIGMA: &str = "log_sigma";

/// The likelihood's parameter in the arenas and in PyTorch. Its initial value is that of a width of 0.2, about the standard
/// deviation of a photograph's pixels.
pub(super) fn log_sigma() -> (ParamSpec, TorchParam) {
    let initial = Init::Constant(0.2f64.ln());
    (ParamSpec::new(&[4]), TorchParam::new(LOG_SIGMA.into(), &[1], 0, TorchLayout::vector(1), initial))
}

impl Autoencoder {
    /// The layers that `config` means.
    pub fn new(config: &ModelConfig) -> Self {
        let halves = match config.architecture {
            Architecture::Reference => reference::reference(config),
            Architecture::Spatial => spatial::spatial(config),
        };
        Self { log_sigma: config.learned_sigma, ..halves }
    }

    /// Shapes of all activations of `batch` pictures: the encoder's from the picture on, and the decoder's from `z` on.
    pub fn activations(&self, config: &ModelConfig, batch: u32) -> [Vec<Vec<u32>>; 2] {
        let z = [&[batch], self.latent.as_slice()].concat();
        [self.encoder.shapes(&[batch, config.size, config.size, 4]), self.decoder.shapes(&z)]
    }

    /// Floating-point operations per picture of the longest dispatch of a forward pass.
    pub fn longest_dispatch(&self, config: &ModelConfig) -> u64 {
        let [encoder, decoder] = self.activations(config, 1);
        self.encoder.longest_dispatch(&encoder[0]).max(self.decoder.longest_dispatch(&decoder[0]))
    }

    fn layers(&self) -> impl Iterator<Item = &dyn Layer> {
        self.encoder.layers().chain(self.decoder.layers())
    }
}

/// The number of elements of a shape.
pub(super) fn elements(dims: &[u32]) -> u64 {
    dims.iter().map(|&d| u64::from(d)).product()
}

/// Floating-point operations of a forward pass of one picture.
pub fn forward_flops(config: &ModelConfig) -> u64 {
    let architecture = Autoencoder::new(config);
    let [encoder, decoder] = architecture.activations(config, 1);
    let of = |layers: &Sequential, inputs: Vec<Vec<u32>>| -> u64 {
        layers.layers().zip(inputs).map(|(layer, x)| layer.flops(&x)).sum()
    };
    of(&architecture.encoder, encoder) + of(&architecture.decoder, decoder)
}

/// Checks that kernels, which index with 32 bits, can address every parameter and one picture's activations.
///
/// # Errors
/// [`Error::Usage`] with the number of elements of the largest tensor.
pub fn addressable(config: &ModelConfig) -> Result<()> {
    let architecture = Autoencoder::new(config);
    let params = architecture.layers().flat_map(Layer::params).map(|spec| elements(&spec.dims));
    let activations = architecture.activations(config, 1).into_iter().flatten();
    let largest = params.chain(activations.map(|dims| elements(&dims))).max().unwrap_or(0);
    if largest > u64::from(u32::MAX) {
        let ModelConfig { size, hidden, latent, .. } = config;
        return Err(Error::Usage(format!(
            "--size {size}, --hidden {hidden}, --latent {latent}: {largest} elements in one tensor, and kernels index \
             with 32 bits; lower one of them"
        )));
    }
    Ok(())
}

/// Finds the sizes of a reference model in the shapes of its tensors, which `shape` gives by their PyTorch names. Files of
/// other architectures say their sizes.
///
/// # Errors
/// The reason why they are not a model of this architecture.
pub fn infer<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> std::result::Result<ModelConfig, String> {
    let config = reference::infer(shape)?;
    let checked = config.checked().and_then(|config| addressable(&config).map(|()| config));
    checked.map_err(|error| format!("impossible sizes: {error}"))
}
