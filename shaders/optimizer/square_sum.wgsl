// parts[p] = the sum of the squares of the p-th part of a vector: the first pass of a norm.
// One workgroup per part, each invocation with stride 64 in vec4s, then a tree: always in the same order.

struct Params {
    vec4s: u32, // vec4s of the vector
    part: u32, // vec4s of a part
    parts: u32,
}

@group(0) @binding(0) var<storage, read> values: array<vec4<f32>>; // [vec4s]
@group(0) @binding(1) var<storage, read_write> parts: array<f32>; // [parts]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = workgroup.x + workgroup.y * GRID_X;
    let begin = min(at, params.parts) * params.part;
    let end = min(begin + params.part, params.vec4s);
    var sum = vec4<f32>(0.0);
    for (var i = begin + thread; i < end; i += 64u) {
        sum += values[i] * values[i];
    }
    let total = tree_sum(thread, sum);
    if ((thread == 0u) & (at < params.parts)) {
        parts[at] = total.x + total.y + total.z + total.w;
    }
}
