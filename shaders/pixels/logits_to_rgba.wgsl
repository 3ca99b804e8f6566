// recon = the mean of each pixel from its logit (sigmoid.wgsl or continuous_bernoulli_mean.wgsl), and rgba = recon as
// 8-bit RGBA: red in the lowest byte, opaque, rounded to nearest.
// One invocation per pixel.

struct Params {
    pixels: u32, // pixels of all pictures
}

@group(0) @binding(0) var<storage, read> logits: array<vec4<f32>>; // [pixels, 4]
@group(0) @binding(1) var<storage, read_write> recon: array<vec4<f32>>; // [pixels, 4], the fourth zero
@group(0) @binding(2) var<storage, read_write> rgba: array<u32>; // [pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.pixels) {
        return;
    }
    let value = mean_of(logits[at]);
    recon[at] = vec4<f32>(value.xyz, 0.0);
    let byte = vec4<u32>(floor(255.0 * value + 0.5));
    rgba[at] = byte.x | (byte.y << 8u) | (byte.z << 16u) | 0xff000000u;
}
