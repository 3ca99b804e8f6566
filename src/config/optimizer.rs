//! How a training steps: the learning rate's course, what is done to gradients and parameters, and to pictures.

use serde::{Deserialize, Serialize};

use super::names::named;
use super::objective::{from_zero, require};
use crate::error::Result;

/// How the learning rate changes in a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrSchedule {
    /// always the same
    #[default]
    Constant,
    /// down to zero along half a cosine, over all steps behind the warm-up.
    /// Source: Loshchilov and Hutter, "SGDR", 2017, without restarts
    Cosine,
    /// halved whenever the validation loss has not fallen for three epochs
    Plateau,
}

named! { LrSchedule: Constant "constant", Cosine "cosine", Plateau "plateau" }

/// What Adam is surrounded by.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Optimizer {
    /// of the learning rate
    pub lr_schedule: LrSchedule,
    /// steps in which the learning rate grows from nothing to its full size
    pub warmup: u64,
    /// largest norm of the gradient, all parameters together and per picture; longer ones are shortened
    pub clip_norm: Option<f64>,
    /// share of each parameter that is taken away in a step, in learning rates: that of AdamW
    pub weight_decay: f64,
    /// decay of the running average of the parameters that is then the model
    pub ema: Option<f64>,
    /// epochs without a lower validation loss after which the training ends
    pub patience: Option<u32>,
}

impl Optimizer {
    pub(super) fn checked(&self) -> Result<()> {
        if let Some(clip) = self.clip_norm {
            require(clip.is_finite() && clip > 0.0, "--clip-norm", clip, "a positive number")?;
        }
        let decay = self.weight_decay;
        require(from_zero(decay), "--weight-decay", decay, "zero or a positive number, for example 0.01")?;
        if let Some(ema) = self.ema {
            require((0.0..1.0).contains(&ema), "--ema", ema, "from 0 to below 1, for example 0.999")?;
        }
        let patience = self.patience.unwrap_or(1);
        require(patience > 0, "--patience", patience.into(), "at least 1 epoch")
    }
}

/// How training pictures are varied, anew in every step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Augmentation {
    /// mirrors pictures left to right, each with even odds
    pub flip: bool,
    /// cuts up to this share off a picture's edges and enlarges the rest
    pub crop: f64,
    /// changes brightness, contrast and saturation by up to this share
    pub jitter: f64,
}

impl Augmentation {
    /// Whether pictures are varied at all.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    pub(super) fn checked(&self) -> Result<()> {
        let Self { crop, jitter, .. } = *self;
        require((0.0..=0.9).contains(&crop), "--crop", crop, "between 0 and 0.9, for example 0.1")?;
        require((0.0..=1.0).contains(&jitter), "--jitter", jitter, "between 0 and 1, for example 0.1")
    }
}
