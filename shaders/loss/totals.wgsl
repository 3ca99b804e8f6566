// Reduces the partial sums of a micro-batch's loss:
//   totals += nats of the pixels, KL divergence, KL penalty (totals_slots.wgsl);
//   dbias = the last layer's bias gradient (or +=).
// One workgroup, each invocation with stride 64, then a tree: always in the same order.

struct Params {
    parts: u32, // number of parts, over all pictures
    rows: u32, // N
}

@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>; // [parts], as reconstruction.wgsl writes them
@group(0) @binding(1) var<storage, read> kl: array<vec2<f32>>; // [N, 2], as reparameterize.wgsl writes it
@group(0) @binding(2) var<storage, read_write> totals: array<f32>; // [slots]
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4<f32>>; // [1]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    var divergence = vec2<f32>(0.0);
    for (var i = thread; i < params.rows; i += 64u) {
        divergence += vec2<f32>(kl[i].x, abs(kl[i].y));
    }
    let all = sum_parts(thread);
    let kl_all = tree_sum(thread, vec4<f32>(divergence, 0.0, 0.0));
    if (thread == 0u) {
        totals[NLL] += all.w;
        totals[KL] += kl_all.x;
        totals[KL_PENALTY] += kl_all.y;
        let gradient = vec4<f32>(all.xyz, 0.0);
        dbias[0] = select(gradient, dbias[0] + gradient, ACCUMULATE);
    }
}
