//! The one uniform that changes from step to step.

use crate::gpu::Shape;

/// Mirrors `shaders/step.wgsl`; a test holds the two together.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// low word of the seed
    pub seed_lo: u32,
    /// high word of the seed
    pub seed_hi: u32,
    /// which sequence of normals, a [`Stream`]
    pub stream: u32,
    /// counts the steps of the run
    pub step: u32,
    /// index in the batch of this micro-batch's first picture
    pub sample_offset: u32,
    /// pictures of this micro-batch that count
    pub valid: u32,
    /// pictures of the batch
    pub batch: u32,
    /// weight of KL
    pub beta: f32,
    /// nats of KL per picture that it is held at
    pub capacity: f32,
    /// nats of KL per dimension and picture that cost nothing
    pub free_bits: f32,
    /// weight of the discrepancy between latents and prior
    pub mmd: f32,
    /// standard deviation of the normals
    pub noise_std: f32,
    /// Adam: learning rate / (1 - beta1^t)
    pub step_size: f32,
    /// Adam: 1 / sqrt(1 - beta2^t)
    pub inv_sqrt_bias2: f32,
    /// AdamW: learning rate times weight decay
    pub decay: f32,
    /// weight of these parameters in their running average
    pub ema: f32,
}

impl Step {
    /// Its fields in order, as `step.wgsl` has them.
    pub const FIELDS: [&'static str; 16] = [
        "seed_lo",
        "seed_hi",
        "stream",
        "step",
        "sample_offset",
        "valid",
        "batch",
        "beta",
        "capacity",
        "free_bits",
        "mmd",
        "noise_std",
        "step_size",
        "inv_sqrt_bias2",
        "decay",
        "ema",
    ];

    /// The 32-bit words of the uniform.
    pub fn shape() -> Shape {
        Shape::new(&[(size_of::<Self>() / 4) as u32])
    }

    /// Read from the words that a twin gets.
    pub fn from_words(words: &[f32]) -> Self {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
    }

    /// With the 64-bit seed set.
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed_lo: seed as u32, seed_hi: (seed >> 32) as u32, ..self }
    }
}

/// Independent sequences of normals of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// the draws of training, counted by step
    Training = 0,
    /// the draws of validation, the same in every epoch
    Validation = 1,
    /// draws from the prior
    Samples = 2,
    /// draws from the prior that a batch's latents are compared with
    Prior = 3,
    /// how training pictures are varied, counted by step
    Augmentation = 4,
}
