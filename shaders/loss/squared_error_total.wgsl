// totals[SQUARED_ERROR_R, G, B] += the parts of a micro-batch (squared_error.wgsl).
// One workgroup (sum_parts.wgsl).

struct Params {
    parts: u32, // number of parts, over all pictures
}

@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>; // [parts]
@group(0) @binding(1) var<storage, read_write> totals: array<f32>; // [slots]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    let all = sum_parts(thread);
    if (thread == 0u) {
        totals[SQUARED_ERROR_R] += all.x;
        totals[SQUARED_ERROR_G] += all.y;
        totals[SQUARED_ERROR_B] += all.z;
    }
}
