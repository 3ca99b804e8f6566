// Sizes and operands of the three kernels of the root mean square norm, and the norm of a row.
// The formula is that of rms_norm.wgsl. A row is all channels of a pixel.

struct Params {
    rows: u32, // N P: pixels of all pictures
    pixels: u32, // P: pixels of a picture
    vec4s: u32, // vec4s of a row: C / 4
}

const EPSILON: f32 = 1e-6;

@group(0) @binding(0) var<storage, read> x: array<Vec4>; // [N, P, C]
@group(0) @binding(1) var<storage, read> affine: array<Vec4>; // [N, 2, C], or with SHARED [1, 2, C]: scale, then shift

// 1 / sqrt(mean of x^2 + EPSILON) of a row
fn inverse_rms(row: u32) -> f32 {
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < params.vec4s; i += 1u) {
        let value = unpacked(x[row * params.vec4s + i]);
        squares += value * value;
    }
    let sum = squares.x + squares.y + squares.z + squares.w;
    return inverseSqrt(sum / f32(4u * params.vec4s) + EPSILON);
}

// index of the first vec4 of the scale that a row has
fn affine_of(row: u32) -> u32 {
    return select(row / params.pixels, 0u, SHARED) * 2u * params.vec4s;
}

// the argument of SiLU for a normalised vec4
fn scaled(u: vec4<f32>, scale_at: u32) -> vec4<f32> {
    return u * (1.0 + unpacked(affine[scale_at])) + unpacked(affine[scale_at + params.vec4s]);
}
