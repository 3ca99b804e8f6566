// out[i] = epilogue(sum over p of parts[p, i]): adds the parts of a split reduction, in order.
// One invocation per vec4.

struct Params {
    parts: u32,
    vec4s: u32, // vec4s of out
    channels: u32, // vec4s of its last dimension
}

@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>; // [parts, vec4s]
@group(0) @binding(1) var<storage, read> aux: array<AuxVec4>; // bias [channels] or mask [vec4s]
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>; // [vec4s]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.vec4s) {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var p = 0u; p < params.parts; p += 1u) {
        sum += parts[p * params.vec4s + at];
    }
    epilogue(at, bias_of(at % params.channels), sum);
}
