// Divergence of N(mu, exp(logvar)) from N(0, 1), per picture, in nats:
//   out[n] = -1/2 sum over j of (1 + logvar - mu^2 - exp(logvar)); zero from picture step.count on.
// Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, appendix B.
// One workgroup per picture; the sum is a tree, in fixed order. Padding columns are zero and add nothing.

struct Params {
    rows: u32, // N
    quads: u32, // vec4s of a row: Z rounded up
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> heads: array<vec4<f32>>; // [N, 2, Z]: mu, then logvar
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = workgroup.x + workgroup.y * GRID_X;
    var sum = vec4<f32>(0.0);
    if (row < params.rows && row < step.count) {
        for (var quad = thread; quad < params.quads; quad += 64u) {
            let mu = heads[2u * row * params.quads + quad];
            let logvar = heads[(2u * row + 1u) * params.quads + quad];
            sum += 0.5 * (mu * mu + exp(logvar) - 1.0 - logvar);
        }
    }
    let total = tree_sum(thread, sum.x + sum.y + sum.z + sum.w);
    if (thread == 0u && row < params.rows) {
        out[row] = total;
    }
}
