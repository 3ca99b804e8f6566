//! The reference model: four convolutions, a linear bottleneck, four transposed convolutions.

use super::Architecture;
use crate::config::ModelConfig;
use crate::model::layer::Sequential;
use crate::model::layers::{Conv2d, ConvTranspose2d, Linear};
use crate::model::params::{TorchLayout, TorchParam};
use crate::ops::conv2d::Window;
use crate::ops::reparameterize::padded;

/// The layers of a model of these sizes.
pub(super) fn reference(config: &ModelConfig) -> Architecture {
    let widths = config.widths();
    let (side, channels, z) = (config.side(), padded(widths[4]), padded(config.latent));
    let flat = channels * side * side;
    let mut encoder = Sequential::new();
    for i in 0..4 {
        encoder = encoder
            .then(Conv2d::new(format!("encoder.{}", 2 * i), widths[i], widths[i + 1], Window::HALF).relu());
    }
    let heads = Linear::new("heads", flat, &[2, z], heads_in_torch(config));
    let decoder_input =
        Linear::new("decoder_input", z, &[side, side, channels], decoder_input_in_torch(config));
    let mut decoder = Sequential::new().then(decoder_input);
    for i in 0..4 {
        let layer =
            ConvTranspose2d::new(format!("decoder.{}", 2 * i), widths[4 - i], widths[3 - i], Window::HALF);
        decoder = decoder.then(if i < 3 { layer.relu() } else { layer });
    }
    Architecture { encoder: encoder.then(heads), decoder }
}

/// `fc_mu` and `fc_logvar` are the halves of one layer. PyTorch flattens `[C, s, s]` where we have `[s, s, C]`.
fn heads_in_torch(config: &ModelConfig) -> Vec<TorchParam> {
    let ([.., channels], area, latent) = (config.widths(), config.side().pow(2), config.latent);
    let (row, fan_in) = (padded(channels) * area, channels * area);
    let half = |half: u32, name: &str| {
        let first = (half * padded(latent)) as usize;
        let weight =
            TorchLayout::new(&[latent, channels, area], &[row, 1, padded(channels)]).at(first * row as usize);
        let bias = TorchLayout::vector(latent).at(first);
        [
            TorchParam::new(format!("{name}.weight"), &[latent, fan_in], 0, weight, fan_in),
            TorchParam::new(format!("{name}.bias"), &[latent], 1, bias, fan_in),
        ]
    };
    [half(0, "fc_mu"), half(1, "fc_logvar")].concat()
}

fn decoder_input_in_torch(config: &ModelConfig) -> Vec<TorchParam> {
    let ([.., channels], area, latent) = (config.widths(), config.side().pow(2), config.latent);
    let (z, flat) = (padded(latent), channels * area);
    let weight = TorchLayout::new(&[channels, area, latent], &[z, padded(channels) * z, 1]);
    let bias = TorchLayout::new(&[channels, area], &[1, padded(channels)]);
    vec![
        TorchParam::new("decoder_input.weight".into(), &[flat, latent], 0, weight, latent),
        TorchParam::new("decoder_input.bias".into(), &[flat], 1, bias, latent),
    ]
}
