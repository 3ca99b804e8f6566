// Standard normals by the transform of Box and Muller, and the cosine and sine that it needs.
// Source: Box and Muller, "A note on the generation of random normal deviates", 1958.

// cosine and sine of b / 2^32 turns, from its upper 24 bits: reduced to an eighth of a turn, then a Taylor series.
// WGSL's own functions may be off by 2^-11, and more beyond half a turn, so adapters would draw different numbers.
fn turn(b: u32) -> vec2<f32> {
    let at = b >> 8u;
    let quarter = (at + 0x200000u) >> 22u; // nearest quarter turn
    let x = f32(i32(at) - i32(quarter << 22u)) * (6.283185307 * 0x1p-24);
    let s = x * x;
    let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40320.0))));
    let sine = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362880.0)))));
    let turned = select(vec2<f32>(cosine, sine), vec2<f32>(-sine, cosine), (quarter & 1u) == 1u);
    return select(turned, -turned, (quarter & 2u) == 2u);
}

// two independent normals from two words; adding one half keeps the logarithm finite
fn box_muller(a: u32, b: u32) -> vec2<f32> {
    let u = (f32(a >> 9u) + 0.5) * 0x1p-23;
    return sqrt(-2.0 * log(u)) * turn(b);
}
