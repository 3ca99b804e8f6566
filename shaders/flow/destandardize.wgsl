// z = mean + std * x: from standardised latents to those of the decoder. One item per vec4.

struct Params {
    rows: u32, // N
    vec4s: u32, // vec4s of a row
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [N, Z]
@group(0) @binding(1) var<storage, read> standard: array<vec4<f32>>; // [2, Z]: mean, then standard deviation
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>; // [N, Z]

fn item(at: u32) {
    if (at < params.rows * params.vec4s) {
        let c4 = at % params.vec4s;
        z[at] = standard[c4] + standard[c4 + params.vec4s] * x[at];
    }
}
