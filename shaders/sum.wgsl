// out[slot] += sum of x, in fixed order: one workgroup, each invocation a stride of 64, then a tree.
// Small inputs only: partial sums of a loss.

struct Params {
    len: u32,
    slot: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [slots]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var i = thread; i < params.len; i += 64u) {
        sum += x[i];
    }
    let total = tree_sum(thread, sum);
    if (thread == 0u) {
        out[params.slot] += total;
    }
}
