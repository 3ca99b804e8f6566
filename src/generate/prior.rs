//! Pictures from draws of a prior, whichever it is.

use std::ops::Range;

use super::Fitted;
use crate::error::Result;
use crate::model::Vae;

/// A distribution of latents to draw pictures from.
#[derive(Debug, Clone, Copy)]
pub enum Prior<'a> {
    /// N(0, I)
    Normal,
    /// fitted Gaussians
    Fitted(&'a Fitted),
    /// the flow that the model has loaded, of the class with this label or of any
    Flow(Option<u32>),
}

impl<'a> Prior<'a> {
    /// The best of the priors that there are: the flow, else the fitted Gaussians, else N(0, I).
    pub fn best(flow: bool, fitted: Option<&'a Fitted>) -> Self {
        match (flow, fitted) {
            (true, _) => Self::Flow(None),
            (false, Some(fitted)) => Self::Fitted(fitted),
            (false, None) => Self::Normal,
        }
    }

    /// The pictures with the numbers in `range`, each `[S, S]` 8-bit RGBA; a picture depends on its number, `seed` and
    /// `temperature`, the standard deviation of the noise.
    ///
    /// # Errors
    /// If the device is lost or out of memory, or a flow is asked for that the model does not have.
    pub fn draw(
        self,
        vae: &mut Vae,
        range: Range<u32>,
        (seed, temperature): (u64, f32),
    ) -> Result<Vec<Vec<u32>>> {
        match self {
            Self::Normal => vae.sample_range(range, seed, temperature),
            Self::Fitted(prior) => vae.decode_rgba(&prior.draw_range(range, seed, temperature)),
            Self::Flow(label) => vae.sample_flow(range, (seed, temperature), label),
        }
    }
}
