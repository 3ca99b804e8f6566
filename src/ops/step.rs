//! The step's uniform: seed, counters, and the settings that change from step to step.

use crate::gpu::Shape;

/// Mirrors `shaders/common/step.wgsl`; a test compares the two.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Step {
    /// low word of the seed
    pub seed_lo: u32,
    /// high word of the seed
    pub seed_hi: u32,
    /// sequence of normals, a [`Stream`]
    pub stream: u32,
    /// number of the step in the run
    pub step: u32,
    /// index in the batch of this micro-batch's first picture
    pub sample_offset: u32,
    /// pictures of this micro-batch that are not padding
    pub valid: u32,
    /// pictures of the batch
    pub batch: u32,
    /// weight of KL
    pub beta: f32,
    /// capacity: target of KL in nats per picture
    pub capacity: f32,
    /// free bits: nats of KL per dimension and picture without penalty
    pub free_bits: f32,
    /// weight of the MMD between latents and prior
    pub mmd: f32,
    /// standard deviation of the normals
    pub noise_std: f32,
    /// Adam: learning rate / (1 - beta1^t)
    pub step_size: f32,
    /// Adam: 1 / sqrt(1 - beta2^t)
    pub inv_sqrt_bias2: f32,
    /// AdamW: learning rate times weight decay
    pub decay: f32,
    /// weight of the present parameters in their EMA
    pub ema: f32,
}

impl Step {
    /// Its fields in the order of `step.wgsl`.
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

    /// From the words that a twin gets.
    pub fn from_words(words: &[f32]) -> Self {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
    }

    /// Sets the 64-bit seed.
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed_lo: seed as u32, seed_hi: (seed >> 32) as u32, ..self }
    }
}

/// Independent sequences of normals of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// the draws of training, by step
    Training = 0,
    /// the draws of validation, equal in every epoch
    Validation = 1,
    /// draws from the prior
    Samples = 2,
    /// draws from the prior for the MMD
    Prior = 3,
    /// the draws of augmentation, by step
    Augmentation = 4,
}
