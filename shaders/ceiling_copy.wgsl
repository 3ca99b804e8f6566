// out = x: how fast the adapter moves bytes when nothing else is in the way. One invocation per vec4.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [quads]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [quads]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at < params.quads) {
        out[at] = x[at];
    }
}
