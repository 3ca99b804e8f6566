//! Settings of the optimizer and its learning-rate schedule, and of data augmentation.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::names::named;
use super::objective::{from_zero, require};
use crate::error::Result;

/// The schedule of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrSchedule {
    /// no change
    #[default]
    Constant,
    /// half a cosine down to zero, over all steps after the warm-up.
    /// Source: Loshchilov and Hutter, "SGDR", 2017, without restarts
    Cosine,
    /// halved whenever the validation loss has not fallen for three epochs
    Plateau,
}

/// The factor of the learning rate during a linear warm-up of `warmup` steps, after `step` steps.
pub fn warmup(step: f64, warmup: f64) -> f64 {
    if step < warmup { (step + 1.0) / warmup } else { 1.0 }
}

/// The factor of the learning rate on half a cosine from 1 to 0, of which the share `done` is done.
pub fn cosine(done: f64) -> f64 {
    0.5 * (1.0 + (PI * done.clamp(0.0, 1.0)).cos())
}

named! { LrSchedule: Constant "constant", Cosine "cosine", Plateau "plateau" }

/// Settings of the optimizer. A field that a file does not have, because its version did not know it, gets its default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Optimizer {
    /// schedule of the learning rate
    pub lr_schedule: LrSchedule,
    /// steps of the linear warm-up of the learning rate
    pub warmup: u64,
    /// largest norm of the gradient of all parameters, per picture; larger ones are scaled down to it
    pub clip_norm: Option<f64>,
    /// AdamW's decoupled weight decay, a factor of the learning rate
    pub weight_decay: f64,
    /// decay of the exponential moving average of the parameters, which is then the model
    pub ema: Option<f64>,
    /// epochs without a lower validation loss after which the training stops
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

/// Random changes of the training pictures, drawn in every step. A field that a file does not have gets its default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Augmentation {
    /// mirrors a picture left to right with probability 1/2
    pub flip: bool,
    /// largest share of a picture's edge that is cropped; the rest is enlarged
    pub crop: f64,
    /// largest relative change of brightness, contrast and saturation
    pub jitter: f64,
}

impl Augmentation {
    /// Whether any augmentation is on.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    pub(super) fn checked(&self) -> Result<()> {
        let Self { crop, jitter, .. } = *self;
        require((0.0..=0.9).contains(&crop), "--crop", crop, "between 0 and 0.9, for example 0.1")?;
        require((0.0..=1.0).contains(&jitter), "--jitter", jitter, "between 0 and 1, for example 0.1")
    }
}
