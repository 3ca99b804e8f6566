// Adds the gradient of beta * KL: dmu += beta * mu, dlogvar += beta * (exp(logvar) - 1) / 2,
// for the step.count pictures that count. One invocation per vec4 of mu.

struct Params {
    rows: u32, // N
    quads: u32, // vec4s of a row: Z rounded up
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> heads: array<vec4<f32>>; // [N, 2, Z]: mu, then logvar
@group(0) @binding(2) var<storage, read_write> dheads: array<vec4<f32>>; // [N, 2, Z]: dmu, then dlogvar

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    let row = at / params.quads;
    if (row >= params.rows || row >= step.count) {
        return;
    }
    let mu = 2u * row * params.quads + at % params.quads;
    let logvar = mu + params.quads;
    dheads[mu] += step.beta * heads[mu];
    dheads[logvar] += step.beta * 0.5 * (exp(heads[logvar]) - 1.0);
}
