// Squared errors of a micro-batch's reconstructions: the sums of (mean_of(logit) - x)^2 per channel.
// One workgroup per (picture, chunk of pixels); the sum is a tree, in fixed order. Pictures from step.valid on contribute
// zero, and the fourth channel is padding.

struct Params {
    batch: u32, // N
    pixels: u32, // pixels of a picture
    chunks: u32, // per picture
    chunk: u32, // pixels per chunk
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(3) var<storage, read_write> parts: array<vec4<f32>>; // [N, chunks]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = workgroup.x + workgroup.y * GRID_X;
    let picture = at / params.chunks;
    let begin = (at % params.chunks) * params.chunk;
    let end = min(params.pixels, begin + params.chunk);
    var sum = vec4<f32>(0.0);
    if (picture < min(step.valid, params.batch)) {
        for (var pixel = begin + thread; pixel < end; pixel += 64u) {
            let error = mean_of(logits[picture * params.pixels + pixel]) - x[picture * params.pixels + pixel];
            sum += error * error;
        }
    }
    let total = tree_sum(thread, vec4<f32>(sum.xyz, 0.0));
    if ((thread == 0u) & (picture < params.batch)) {
        parts[at] = total;
    }
}
