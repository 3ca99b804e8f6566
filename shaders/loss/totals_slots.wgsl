// What stands where in totals, the sums over a batch.

const NLL: u32 = 0u; // of the pixels
const KL: u32 = 1u; // KL
const KL_PENALTY: u32 = 2u; // KL as the objective counts it
const MMD: u32 = 3u; // n MMD
const GRAD_NORM: u32 = 4u; // of the gradient, per picture
const CLIP_FACTOR: u32 = 5u; // what the gradient is multiplied by
