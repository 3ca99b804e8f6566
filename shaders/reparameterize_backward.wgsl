// dmu = dz, dlogvar = dz * eps * exp(logvar / 2) / 2.
// One invocation per vec4 of z.

struct Params {
    rows: u32, // N
    latent: u32, // Z
    quads: u32, // vec4s of a row of z: Z rounded up
}

@group(0) @binding(0) var<storage, read> heads: array<vec4<f32>>; // [N, 2, Z]: mu, then logvar
@group(0) @binding(1) var<storage, read> eps: array<vec4<f32>>; // [N, Z]
@group(0) @binding(2) var<storage, read> dz: array<vec4<f32>>; // [N, Z]
@group(0) @binding(3) var<storage, read_write> dheads: array<vec4<f32>>; // [N, 2, Z]: dmu, then dlogvar

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.quads) {
        return;
    }
    let row = at / params.quads;
    let quad = at % params.quads;
    let logvar = heads[(2u * row + 1u) * params.quads + quad];
    let column = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = column < vec4<u32>(params.latent);
    let d = select(vec4<f32>(0.0), dz[at], inside);
    dheads[2u * row * params.quads + quad] = d;
    dheads[(2u * row + 1u) * params.quads + quad] =
        select(vec4<f32>(0.0), 0.5 * d * eps[at] * exp(0.5 * logvar), inside);
}
