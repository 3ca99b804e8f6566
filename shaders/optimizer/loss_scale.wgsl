// Loss scale: the factor on every gradient of a step in f16, since small gradients would underflow and large ones
// overflow.
// It is a power of two, so that scaling is exact. scaling[0] is its exponent; zero means a factor of 1.
// Source: Micikevicius et al., "Mixed precision training", 2017, section 3.2.

const EXPONENT: u32 = 0u; // exponent of the factor, an i32
const FOUND: u32 = 1u; // whether this step's gradients contain a non-finite number
const GOOD: u32 = 2u; // consecutive steps with finite gradients
const SKIPPED: u32 = 3u; // steps skipped since the start

// 2^exponent, exact for normal numbers
fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}
