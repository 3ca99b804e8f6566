// x[n] = rgba[which[n]] / 255: converts selected 8-bit pictures to floats; the fourth channel is zero padding.
// One invocation per pixel.

struct Params {
    batch: u32, // N
    pixels: u32, // pixels of a picture
    slots: u32, // pictures in rgba
}

@group(0) @binding(0) var<storage, read> which: array<u32>; // [N], below slots
@group(0) @binding(1) var<storage, read> rgba: array<u32>; // [slots, pixels], red in the lowest byte
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // [N, pixels, 4]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.batch * params.pixels) {
        return;
    }
    let slot = min(which[at / params.pixels], params.slots - 1u);
    let word = rgba[slot * params.pixels + at % params.pixels];
    let byte = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    x[at] = vec4<f32>(vec3<f32>(byte.xyz) / 255.0, 0.0);
}
