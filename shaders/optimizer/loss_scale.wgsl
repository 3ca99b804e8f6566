// The factor on every gradient of a step in f16, a power of two, so that it costs no bit: small gradients would
// vanish in 16 bits, large ones be infinite. scaling[0] holds its exponent; zeros mean a factor of 1.
// Source: Micikevicius et al., "Mixed precision training", 2017, section 3.2.

const EXPONENT: u32 = 0u; // of the factor, an i32
const FOUND: u32 = 1u; // whether this step's gradients hold something that is no finite number
const GOOD: u32 = 2u; // steps in a row without
const SKIPPED: u32 = 3u; // steps with, since the start

// 2^exponent, exact where it is a normal number
fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}
