// Slots of `totals`, the sums over a batch.

const NLL: u32 = 0u; // negative log-likelihood of the pixels
const KL: u32 = 1u; // KL divergence
const KL_PENALTY: u32 = 2u; // KL penalty of the objective
const MMD: u32 = 3u; // n MMD
const GRAD_NORM: u32 = 4u; // gradient norm per picture
const CLIP_FACTOR: u32 = 5u; // factor that clips the gradient
