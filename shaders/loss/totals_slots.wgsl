// Slots of `totals`, the sums over a batch.

const NLL: u32 = 0u; // negative log-likelihood of the pixels
const KL: u32 = 1u; // KL divergence
const KL_PENALTY: u32 = 2u; // KL penalty of the objective
const MMD: u32 = 3u; // n MMD
const GRAD_NORM: u32 = 4u; // gradient norm per picture
const CLIP_FACTOR: u32 = 5u; // factor that clips the gradient
const SQUARED_ERROR_R: u32 = 0u; // squared errors of each channel, where NLL gets no nats
const SQUARED_ERROR_G: u32 = 6u;
const SQUARED_ERROR_B: u32 = 7u;
