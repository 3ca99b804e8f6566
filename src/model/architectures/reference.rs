//! The reference model: four convolutions, a linear bottleneck, four transposed convolutions.

use super::Autoencoder;
use crate::config::ModelConfig;
use crate::model::layer::Sequential;
use crate::model::layers::{Conv2d, Linear};
use crate::model::params::{Init, TorchLayout, TorchParam};
use crate::ops::conv2d::Window;
use crate::ops::reparameterize::padded;

/// Channels of the activations from the picture to the bottleneck.
fn widths(config: &ModelConfig) -> [u32; 5] {
    let hidden = config.hidden;
    [3, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
}

/// Edge of the bottleneck in pixels.
fn side(config: &ModelConfig) -> u32 {
    config.size / 16
}

/// The layers of a model of these sizes.
pub(super) fn reference(config: &ModelConfig) -> Autoencoder {
    let (widths, side) = (widths(config), side(config));
    let (channels, z) = (padded(widths[4]), padded(config.latent));
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
            Conv2d::transposed(format!("decoder.{}", 2 * i), widths[4 - i], widths[3 - i], Window::HALF);
        decoder = decoder.then(if i < 3 { layer.relu() } else { layer });
    }
    Autoencoder { encoder: encoder.then(heads), latent: vec![z], decoder, log_sigma: false }
}

/// `fc_mu` and `fc_logvar` are the halves of one layer. PyTorch flattens `[C, s, s]` where we have `[s, s, C]`.
fn heads_in_torch(config: &ModelConfig) -> Vec<TorchParam> {
    let ([.., channels], area, latent) = (widths(config), side(config).pow(2), config.latent);
    let (row, fan_in) = (padded(channels) * area, channels * area);
    let half = |half: u32, name: &str| {
        let first = (half * padded(latent)) as usize;
        let weight =
            TorchLayout::new(&[latent, channels, area], &[row, 1, padded(channels)]).at(first * row as usize);
        let bias = TorchLayout::vector(latent).at(first);
        [
            TorchParam::new(format!("{name}.weight"), &[latent, fan_in], 0, weight, Init::Uniform(fan_in)),
            TorchParam::new(format!("{name}.bias"), &[latent], 1, bias, Init::Uniform(fan_in)),
        ]
    };
    [half(0, "fc_mu"), half(1, "fc_logvar")].concat()
}

fn decoder_input_in_torch(config: &ModelConfig) -> Vec<TorchParam> {
    let ([.., channels], area, latent) = (widths(config), side(config).pow(2), config.latent);
    let (z, flat) = (padded(latent), channels * area);
    let weight = TorchLayout::new(&[channels, area, latent], &[z, padded(channels) * z, 1]);
    let bias = TorchLayout::new(&[channels, area], &[1, padded(channels)]);
    vec![
        TorchParam::new("decoder_input.weight".into(), &[flat, latent], 0, weight, Init::Uniform(latent)),
        TorchParam::new("decoder_input.bias".into(), &[flat], 1, bias, Init::Uniform(latent)),
    ]
}

/// Hidden width from the first convolution, latent dimensions and picture size from `fc_mu`.
pub(super) fn infer<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> Result<ModelConfig, String> {
    let shape = |name: &str, rank: usize| match shape(name) {
        Some(shape) if shape.len() == rank => Ok(shape),
        Some(shape) => Err(format!("{name} is {shape:?}: not a model of this kind")),
        None => Err(format!("has no tensor {name}: not a model of this kind")),
    };
    let hidden = shape("encoder.0.weight", 4)?[0];
    let head = shape("fc_mu.weight", 2)?;
    let (latent, flat) = (head[0], head[1]);
    let widest = hidden.saturating_mul(8).max(1);
    let side = (flat / widest).isqrt();
    if widest.saturating_mul(side).saturating_mul(side) != flat {
        return Err(format!(
            "fc_mu.weight {head:?} does not fit hidden {hidden}: not a square picture's model"
        ));
    }
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(ModelConfig::reference(number(side.saturating_mul(16)), number(hidden), number(latent)))
}

#[cfg(test)]
mod tests {
    use crate::config::ModelConfig;
    use crate::model::parameter_count;

    #[test]
    fn the_reference_has_as_many_parameters_as_in_pytorch() {
        assert_eq!(parameter_count(&ModelConfig::REFERENCE), 55_975_555);
    }
}
