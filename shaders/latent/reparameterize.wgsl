// z[n, j] = mu[n, j] + eps[n, j] * exp(logvar[n, j] / 2), and the KL divergence of each picture (kl.wgsl), in nats.
// One workgroup per picture; padding columns stay zero; the sum is a tree, in fixed order.
// kl[n] holds the plain divergence and the penalty of the objective: each dimension counts at least step.free_bits, and
// step.capacity is subtracted from the sum. Pictures from step.valid on get zeros.
// Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, section 2.4.

struct Params {
    rows: u32, // N
    latent: u32, // Z
    vec4s: u32, // vec4s of a row of z: Z rounded up
    cell: u32, // vec4s of a cell of z: all of a row if latents are not on a grid
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> heads: array<vec4<f32>>; // [N, cells, 2, C]: mu, then logvar
@group(0) @binding(2) var<storage, read> eps: array<vec4<f32>>; // [N, Z]
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>; // [N, Z]
@group(0) @binding(4) var<storage, read_write> kl: array<vec2<f32>>; // [N, 2]: divergence, penalty

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = workgroup.x + workgroup.y * GRID_X;
    var sum = vec4<f32>(0.0);
    var kl_penalty = vec4<f32>(0.0);
    if (row < params.rows) {
        for (var c4 = thread; c4 < params.vec4s; c4 += 64u) {
            let at = row * params.vec4s + c4;
            let mu_at = at + at / params.cell * params.cell;
            let mu = heads[mu_at];
            let logvar = heads[mu_at + params.cell];
            let column = 4u * c4 + vec4<u32>(0u, 1u, 2u, 3u);
            let inside = column < vec4<u32>(params.latent);
            let value = mu + eps[row * params.vec4s + c4] * exp(0.5 * logvar);
            z[row * params.vec4s + c4] = select(vec4<f32>(0.0), value, inside);
            let divergence = kl_of(mu, logvar);
            sum += select(vec4<f32>(0.0), divergence, inside);
            kl_penalty += select(vec4<f32>(0.0), max(divergence, vec4<f32>(step.free_bits)), inside);
        }
    }
    let total = tree_sum(thread, sum);
    let all = tree_sum(thread, kl_penalty);
    if ((thread == 0u) & (row < params.rows)) {
        let is = total.x + total.y + total.z + total.w;
        let counts = all.x + all.y + all.z + all.w - step.capacity;
        kl[row] = select(vec2<f32>(0.0), vec2<f32>(is, counts), row < step.valid);
    }
}
