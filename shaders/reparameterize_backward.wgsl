// The gradient of everything by mu and logvar: of z = mu + eps exp(logvar / 2), and of beta * KL (kl.wgsl) for
// the step.count pictures that count:
//   dmu = dz + beta KL'(mu), dlogvar = dz * eps * exp(logvar / 2) / 2 + beta KL'(logvar).
// dz comes with the step's factor on gradients (loss_scale.wgsl); beta gets it here.
// One invocation per vec4 of z.

struct Params {
    rows: u32, // N
    latent: u32, // Z
    quads: u32, // vec4s of a row of z: Z rounded up
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> heads: array<vec4<f32>>; // [N, 2, Z]: mu, then logvar
@group(0) @binding(2) var<storage, read> eps: array<vec4<f32>>; // [N, Z]
@group(0) @binding(3) var<storage, read> dz: array<vec4<f32>>; // [N, Z]
@group(0) @binding(4) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(5) var<storage, read_write> dheads: array<vec4<f32>>; // [N, 2, Z]: dmu, then dlogvar

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.quads) {
        return;
    }
    let row = at / params.quads;
    let mu_at = row * params.quads + at;
    let logvar_at = mu_at + params.quads;
    let logvar = heads[logvar_at];
    let inside = 4u * (at % params.quads) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.latent);
    let factor = power_of_two(bitcast<i32>(scaling[EXPONENT]));
    let beta = select(0.0, factor * step.beta, row < step.count);
    let dmu = dz[at] + beta * kl_by_mu(heads[mu_at]);
    let dlogvar = 0.5 * dz[at] * eps[at] * exp(0.5 * logvar) + beta * kl_by_logvar(logvar);
    dheads[mu_at] = select(vec4<f32>(0.0), dmu, inside);
    dheads[logvar_at] = select(vec4<f32>(0.0), dlogvar, inside);
}
