//! The spatial model: convolutions to a grid of latents, and transposed convolutions back, without a linear layer.
//!
//! A latent describes its place in the picture, which keeps pictures sharp with few parameters.

use super::Autoencoder;
use crate::config::ModelConfig;
use crate::model::layer::Sequential;
use crate::model::layers::Conv2d;
use crate::ops::conv2d::Window;

/// He et al., "Delving deep into rectifiers", 2015: the standard deviation that keeps the variance of `terms` products,
/// `gain` being 2 before a ReLU.
fn he(gain: f64, terms: u32) -> f64 {
    (gain / f64::from(terms)).sqrt()
}

/// The layers: one halving convolution for each factor of 2 between picture and grid, 1 x 1 to mean and log-variance of
/// every cell; 3 x 3 from the latents, and one doubling for each halving.
pub(super) fn spatial(config: &ModelConfig) -> Autoencoder {
    let (edge, c) = (config.grid_edge(), config.latent);
    let levels = (config.size / edge).ilog2();
    let widths: Vec<u32> = [3].into_iter().chain((0..levels).map(|level| config.hidden << level)).collect();
    let top = widths[levels as usize];
    let mut encoder = Sequential::new();
    for (i, pair) in widths.windows(2).enumerate() {
        let layer = Conv2d::new(format!("encoder.{}", 2 * i), pair[0], pair[1], Window::HALF);
        encoder = encoder.then(layer.init(he(2.0, 16 * pair[0])).relu());
    }
    // small means, and variances of about 1, to begin with
    let head = Conv2d::new("head", top, 2 * c, Window::POINTWISE).init(he(0.5, top));
    let tail = Conv2d::new("tail", c, top, Window::SAME).init(he(2.0, 9 * c));
    let mut decoder = Sequential::new().then(tail);
    for (i, pair) in widths.windows(2).rev().enumerate() {
        let [outputs, inputs] = [pair[0], pair[1]];
        let layer = Conv2d::transposed(format!("decoder.{}", 2 * i), inputs, outputs, Window::HALF);
        // as PyTorch counts the inputs of a transposed convolution: twice the products that an output adds up
        let last = i + 1 == levels as usize;
        decoder = decoder.then(if last {
            layer.init(0.5 * he(2.0, 16 * outputs))
        } else {
            layer.init(he(2.0, 16 * outputs)).relu()
        });
    }
    Autoencoder { encoder: encoder.then(head), latent: vec![edge, edge, c], decoder, log_sigma: false }
}
