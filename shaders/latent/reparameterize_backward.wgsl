// Gradient of the objective with respect to mu and logvar, through z = mu + eps exp(logvar / 2), beta |KL - capacity|
// (kl.wgsl) of the first step.valid pictures, and with MMD also step.mmd * n MMD (mmd.wgsl):
//   dmu = dz + b KL'(mu), dlogvar = dz * eps * exp(logvar / 2) / 2 + b KL'(logvar),
// where b is beta, or -beta if the KL divergence of the picture is below the capacity, and 0 in dimensions within their
// free bits. dz is already multiplied by the loss scale (loss_scale.wgsl); the other terms are multiplied here.
// One invocation per vec4 of z.
// Sources: Kingma et al., "Improved variational inference with inverse autoregressive flow", 2016, appendix C8, for
// free bits, here per picture and not per mini-batch; Burgess et al., "Understanding disentangling in beta-VAE", 2018,
// equation 8, for the capacity.

struct Params {
    rows: u32, // N
    latent: u32, // Z
    vec4s: u32, // vec4s of a row of z: Z rounded up
    cell: u32, // vec4s of a cell of z: all of a row if latents are not on a grid
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> heads: array<vec4<f32>>; // [N, cells, 2, C]: mu, then logvar
@group(0) @binding(2) var<storage, read> eps: array<vec4<f32>>; // [N, Z]
@group(0) @binding(3) var<storage, read> dz: array<vec4<f32>>; // [N, Z]
@group(0) @binding(4) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(5) var<storage, read> kl: array<vec2<f32>>; // [N, 2], see reparameterize.wgsl
@group(0) @binding(6) var<storage, read> dmmd: array<vec4<f32>>; // [B, Z]; one vec4 without MMD
@group(0) @binding(7) var<storage, read_write> dheads: array<vec4<f32>>; // [N, cells, 2, C]: dmu, then dlogvar

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.vec4s) {
        return;
    }
    let row = at / params.vec4s;
    let mu_at = at + at / params.cell * params.cell;
    let logvar_at = mu_at + params.cell;
    let logvar = heads[logvar_at];
    let inside = 4u * (at % params.vec4s) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.latent);
    let factor = power_of_two(bitcast<i32>(scaling[EXPONENT]));
    let counts = row < step.valid;
    let beta = select(0.0, select(-factor, factor, kl[row].y >= 0.0) * step.beta, counts);
    let mu = heads[mu_at];
    // without free bits every dimension has a penalty, even if its divergence rounds to below zero
    let costs = (kl_of(mu, logvar) >= vec4<f32>(step.free_bits)) | vec4<bool>(step.free_bits <= 0.0);
    let b = select(vec4<f32>(0.0), vec4<f32>(beta), costs);
    var d = dz[at];
    if (MMD & counts) {
        d += factor * step.mmd * dmmd[step.sample_offset * params.vec4s + at];
    }
    let dmu = d + b * kl_by_mu(mu);
    let dlogvar = 0.5 * d * eps[at] * exp(0.5 * logvar) + b * kl_by_logvar(logvar);
    dheads[mu_at] = select(vec4<f32>(0.0), dmu, inside);
    dheads[logvar_at] = select(vec4<f32>(0.0), dlogvar, inside);
}
