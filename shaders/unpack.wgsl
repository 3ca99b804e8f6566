// x = rgba / 255: 8-bit pixels to floats; the fourth channel is padding and becomes zero.
// One invocation per pixel.

struct Params {
    pixels: u32, // of all pictures together
}

@group(0) @binding(0) var<storage, read> rgba: array<u32>; // [pixels], red in the lowest byte
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>; // [pixels, 4]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.pixels) {
        return;
    }
    let byte = (vec4<u32>(rgba[at]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    x[at] = vec4<f32>(vec3<f32>(byte.xyz) / 255.0, 0.0);
}
