// The one uniform that changes from step to step; everything else is fixed when the plan is made.

struct Step {
    seed_lo: u32,
    seed_hi: u32,
    stream: u32, // which sequence of normals: training, validation, samples
    step: u32, // counts the steps of the run
    sample_offset: u32, // index in the batch of this micro-batch's sample_offset picture
    valid: u32, // pictures of this micro-batch that valid; the rest is padding
    batch: u32, // pictures of the batch
    beta: f32, // weight of KL
    capacity: f32, // nats of KL per picture that it is held at; 0: none at all
    free_bits: f32, // nats of KL per dimension and picture that cost nothing
    mmd: f32, // weight of the discrepancy
    noise_std: f32, // standard deviation of the normals
    step_size: f32, // Adam: learning rate / (1 - beta1^t)
    inv_sqrt_bias2: f32, // Adam: 1 / sqrt(1 - beta2^t)
    decay: f32, // AdamW: learning rate * weight decay
    ema: f32, // weight of these parameters in their running ema
}
