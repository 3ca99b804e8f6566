// z[n, j] = mu[n, j] + eps[n, j] * exp(logvar[n, j] / 2); padding columns stay zero.
// Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, section 2.4.
// One invocation per vec4 of z.

struct Params {
    rows: u32, // N
    latent: u32, // Z
    quads: u32, // vec4s of a row of z: Z rounded up
}

@group(0) @binding(0) var<storage, read> heads: array<vec4<f32>>; // [N, 2, Z]: mu, then logvar
@group(0) @binding(1) var<storage, read> eps: array<vec4<f32>>; // [N, Z]
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>; // [N, Z]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.quads) {
        return;
    }
    let row = at / params.quads;
    let quad = at % params.quads;
    let mu = heads[2u * row * params.quads + quad];
    let logvar = heads[(2u * row + 1u) * params.quads + quad];
    let column = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
    let value = mu + eps[at] * exp(0.5 * logvar);
    z[at] = select(vec4<f32>(0.0), value, column < vec4<u32>(params.latent));
}
