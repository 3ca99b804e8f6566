// The uniform of a step: the only values that change between steps; everything else is fixed in the plan.

struct Step {
    seed_lo: u32,
    seed_hi: u32,
    stream: u32, // stream of random numbers: training, validation, samples
    step: u32, // number of the step in the run
    sample_offset: u32, // index in the batch of this micro-batch's first picture
    valid: u32, // number of valid pictures of this micro-batch; the rest is padding
    batch: u32, // pictures of the batch
    beta: f32, // weight of KL
    capacity: f32, // target of KL in nats per picture; 0: no target
    free_bits: f32, // free bits: nats of KL per dimension and picture without a penalty
    mmd: f32, // weight of MMD
    noise_std: f32, // standard deviation of the normals
    step_size: f32, // Adam: learning rate / (1 - beta1^t)
    inv_sqrt_bias2: f32, // Adam: 1 / sqrt(1 - beta2^t)
    decay: f32, // AdamW: learning rate * weight decay
    ema: f32, // weight of the current parameters in their running average (EMA)
}
