// What stands where in totals, the sums over a batch.

const NATS: u32 = 0u; // of the pixels
const DIVERGENCE: u32 = 1u; // KL
const COUNTED: u32 = 2u; // KL as the objective counts it
const DISCREPANCY: u32 = 3u; // n MMD
const NORM: u32 = 4u; // of the gradient, per picture
const CLIPPED: u32 = 5u; // what the gradient is multiplied by
