//! Pictures from draws of a prior, whichever it is.

use std::ops::Range;

use super::Fitted;
use crate::error::{Error, Result, printable_text};
use crate::model::Vae;

/// A distribution of latents to draw pictures from.
#[derive(Debug, Clone, Copy)]
pub enum Prior<'a> {
    /// N(0, I)
    Normal,
    /// fitted Gaussians, of the class with this label or all
    Fitted(&'a Fitted, Option<u32>),
    /// the flow that the model has loaded, of the class with this label; without one, the classes take turns
    Flow(Option<u32>),
}

/// The label of a class by its name, if there is such a class.
pub fn label_of(classes: &[String], name: &str) -> Option<u32> {
    classes.iter().position(|class| class == name).map(|at| at as u32)
}

/// The label of a class by its name.
///
/// # Errors
/// [`Error::Usage`] with the names that there are.
pub fn class_label(classes: &[String], name: &str) -> Result<u32> {
    label_of(classes, name).ok_or_else(|| {
        Error::Usage(if classes.is_empty() {
            format!("--class {name}: this prior has no classes; fit one with wgvae fit-prior --classes")
        } else {
            format!("--class {name}: the classes are {}", printable_text(&classes.join(", ")))
        })
    })
}

impl<'a> Prior<'a> {
    /// The best of the priors that there are: the flow, else the fitted Gaussians, else N(0, I).
    pub fn best(flow: bool, fitted: Option<&'a Fitted>) -> Self {
        match (flow, fitted) {
            (true, _) => Self::Flow(None),
            (false, Some(fitted)) => Self::Fitted(fitted, None),
            (false, None) => Self::Normal,
        }
    }

    /// This prior, of one class.
    pub fn of_class(self, label: u32) -> Self {
        match self {
            Self::Normal => Self::Normal,
            Self::Fitted(fitted, _) => Self::Fitted(fitted, Some(label)),
            Self::Flow(_) => Self::Flow(Some(label)),
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
            Self::Fitted(prior, None) => vae.decode_rgba(&prior.draw_range(range, seed, temperature)),
            Self::Fitted(prior, Some(label)) => {
                vae.decode_rgba(&prior.draw_class(label, range, (seed, temperature)))
            }
            Self::Flow(class) => vae.sample_flow(range, (seed, temperature), class),
        }
    }
}
