// totals[MMD] = sum of the shares of all pictures (mmd.wgsl). One workgroup; the sum is a tree.

struct Params {
    batch: u32, // B
}

@group(0) @binding(0) var<storage, read> shares: array<f32>; // [B]
@group(0) @binding(1) var<storage, read_write> totals: array<f32>; // [slots]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var i = thread; i < params.batch; i += 64u) {
        sum += shares[i];
    }
    let all = tree_sum(thread, vec4<f32>(sum, 0.0, 0.0, 0.0)).x;
    if (thread == 0u) {
        totals[MMD] = all;
    }
}
