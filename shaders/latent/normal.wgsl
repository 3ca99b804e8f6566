// out[n, j] = step.noise_std * a standard normal, by Box-Muller (box_muller.wgsl) from Philox words.
// One invocation per four normals. The key is the seed, the counter (j / 4, picture, step, stream):
// there is no state, and no dependence on the micro-batch.

struct Params {
    rows: u32, // rows of the output
    pictures: u32, // pictures of the micro-batch; rows beyond them repeat their draws
    vec4s: u32, // vec4s of a row
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<Vec4>; // [N, Z]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.vec4s) {
        return;
    }
    let picture = step.sample_offset + at / params.vec4s % params.pictures;
    let counter = vec4<u32>(at % params.vec4s, picture, step.step, step.stream);
    let words = philox(counter, vec2<u32>(step.seed_lo, step.seed_hi));
    let normals = vec4<f32>(box_muller(words.x, words.y), box_muller(words.z, words.w));
    out[at] = packed(step.noise_std * normals);
}
