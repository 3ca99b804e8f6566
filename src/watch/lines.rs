//! Lines of `metrics.jsonl` as this page reads them, of any version.
//! Read this to show another figure.

use std::borrow::Cow;

use serde::Deserialize;

/// Figures of a step, in the order of [`Line::of_step`].
pub(super) const STEP: &[&str] =
    &["loss", "nll", "kl", "mmd", "gradient_norm", "images_per_second", "lr", "beta", "capacity"];
/// Figures of an epoch, in the order of [`Line::of_epoch`]. The first is the position on the axis of steps.
pub(super) const EPOCH: &[&str] = &[
    "step",
    "train_loss",
    "train_nll",
    "train_kl",
    "validation_loss",
    "validation_nll",
    "validation_kl",
    "validation_bits_per_dim",
    "images_per_second",
    "seconds",
    "memory_bytes",
];

/// A line of any kind; fields that a kind does not have are missing. Fields and kinds of later versions are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    pub(super) step: Option<u64>,
    pub(super) epoch: Option<u64>,
    loss: Option<f64>,
    nll: Option<f64>,
    kl: Option<Kl>,
    mmd: Option<f64>,
    gradient_norm: Option<f64>,
    images_per_second: Option<f64>,
    lr: Option<f64>,
    beta: Option<f64>,
    capacity: Option<f64>,
    train_loss: Option<f64>,
    train_nll: Option<f64>,
    train_kl: Option<f64>,
    validation_loss: Option<f64>,
    validation_nll: Option<f64>,
    validation_kl: Option<f64>,
    validation_bits_per_dim: Option<f64>,
    seconds: Option<f64>,
    memory_bytes: Option<f64>,
    pub(super) unused: Option<f64>,
    kl_per_cell: Option<Vec<f32>>,
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) outcome: Option<Cow<'a, str>>,
    pub(super) format: Option<u64>,
    pub(super) version: Option<Cow<'a, str>>,
    pub(super) time: Option<u64>,
    pub(super) epochs: Option<u64>,
    pub(super) steps_per_epoch: Option<u64>,
    pub(super) pictures: Option<u64>,
    pub(super) held_out: Option<u64>,
    pub(super) parameters: Option<u64>,
    pub(super) latents: Option<u64>,
    pub(super) cells: Option<u64>,
    pub(super) adapter: Option<Cow<'a, str>>,
    pub(super) device_bytes: Option<u64>,
}

/// KL divergence of a step, or of each dimension.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Kl {
    One(f64),
    Each(Vec<f32>),
}

impl Line<'_> {
    /// The values of [`STEP`].
    pub(super) fn of_step(&self) -> [Option<f64>; STEP.len()] {
        let kl = match self.kl {
            Some(Kl::One(kl)) => Some(kl),
            _ => None,
        };
        let Self { loss, nll, mmd, gradient_norm, images_per_second, lr, beta, capacity, .. } = *self;
        [loss, nll, kl, mmd, gradient_norm, images_per_second, lr, beta, capacity]
    }

    /// The values of [`EPOCH`].
    pub(super) fn of_epoch(&self) -> [Option<f64>; EPOCH.len()] {
        let Self { train_loss, train_nll, train_kl, validation_loss, validation_nll, validation_kl, .. } =
            *self;
        let step = self.step.map(|step| step as f64);
        let Self { validation_bits_per_dim: bits, images_per_second, seconds, memory_bytes, .. } = *self;
        [
            step,
            train_loss,
            train_nll,
            train_kl,
            validation_loss,
            validation_nll,
            validation_kl,
            bits,
            images_per_second,
            seconds,
            memory_bytes,
        ]
    }

    /// KL divergences of each dimension, and of each cell.
    pub(super) fn into_kl(self) -> Option<[Vec<f32>; 2]> {
        match self.kl {
            Some(Kl::Each(kl)) => Some([kl, self.kl_per_cell.unwrap_or_default()]),
            _ => None,
        }
    }
}
