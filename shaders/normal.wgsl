// out[n, j] = step.scale * a standard normal, by Box-Muller from Philox words.
// Keyed by the seed, counted by (j / 4, picture, step, stream): no state, and no dependence on the
// micro-batch. One invocation per four normals.

struct Params {
    rows: u32, // pictures of a micro-batch
    quads: u32, // vec4s of a row
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [N, Z]

// two independent normals from two words; the half keeps the logarithm finite
fn box_muller(a: u32, b: u32) -> vec2<f32> {
    let u = (f32(a >> 9u) + 0.5) * exp2(-23.0);
    let angle = 6.283185307 * (f32(b >> 8u) * exp2(-24.0));
    return sqrt(-2.0 * log(u)) * vec2<f32>(cos(angle), sin(angle));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.quads) {
        return;
    }
    let picture = step.first + at / params.quads;
    let counter = vec4<u32>(at % params.quads, picture, step.step, step.stream);
    let words = philox(counter, vec2<u32>(step.seed_lo, step.seed_hi));
    out[at] = step.scale * vec4<f32>(box_muller(words.x, words.y), box_muller(words.z, words.w));
}
