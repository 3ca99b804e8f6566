// A point between noise and latents, and the velocity there: x_t = (1 - t) e + t z, target = z - e, with
// z = (mu + eps exp(logvar / 2) - mean) / std, a draw from the posterior, standardised.
// One item per vec4. Padding columns are zero.
// Source: Liu, Gong and Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", 2022.

struct Params {
    rows: u32, // N
    latent: u32, // Z before padding
    vec4s: u32, // vec4s of a row of z
    cell: u32, // vec4s of a cell of z; all of a row if latents are not on a grid
}

@group(0) @binding(0) var<storage, read> heads: array<vec4<f32>>; // [N, cells, 2, C]: mu, then logvar
@group(0) @binding(1) var<storage, read> normals: array<vec4<f32>>; // [N, 2, Z]: eps, then e
@group(0) @binding(2) var<storage, read> standard: array<vec4<f32>>; // [2, Z]: mean, then standard deviation
@group(0) @binding(3) var<storage, read> t: array<f32>; // [N]
@group(0) @binding(4) var<storage, read_write> x_t: array<vec4<f32>>; // [N, Z]
@group(0) @binding(5) var<storage, read_write> velocity: array<vec4<f32>>; // [N, Z]

fn item(at: u32) {
    if (at >= params.rows * params.vec4s) {
        return;
    }
    let row = at / params.vec4s;
    let c4 = at % params.vec4s;
    let mu_at = at + at / params.cell * params.cell;
    let draw = row * 2u * params.vec4s + c4;
    let e = normals[draw + params.vec4s];
    let sample = heads[mu_at] + normals[draw] * exp(0.5 * heads[mu_at + params.cell]);
    let z = (sample - standard[c4]) / standard[c4 + params.vec4s];
    let inside = 4u * c4 + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.latent);
    x_t[at] = select(vec4<f32>(0.0), (1.0 - t[row]) * e + t[row] * z, inside);
    velocity[at] = select(vec4<f32>(0.0), z - e, inside);
}
