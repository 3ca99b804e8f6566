// Gradient of the binary cross-entropy by the logits: sigmoid(l) - x. The fourth channel is padding and
// carries none, nor do the pictures from step.count on. One invocation per pixel.

struct Params {
    images: u32, // N
    pixels: u32, // of a picture
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(3) var<storage, read_write> dlogits: array<vec4<f32>>; // [N, pixels, 4]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.images * params.pixels) {
        return;
    }
    let weight = select(0.0, 1.0, at / params.pixels < step.count);
    dlogits[at] = (sigmoid(logits[at]) - x[at]) * vec4<f32>(weight, weight, weight, 0.0);
}
