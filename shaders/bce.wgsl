// Binary cross-entropy from logits, summed over the three channels, in nats, in the stable form
//   max(l, 0) - l x + log(1 + exp(-|l|))
// as one partial sum per picture and chunk of pixels; zero from picture step.count on.
// One workgroup per (picture, chunk); the sum is a tree, in fixed order.

struct Params {
    images: u32, // N
    pixels: u32, // of a picture
    chunks: u32, // per picture
    chunk: u32, // pixels per chunk
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [N, chunks]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = workgroup.x + workgroup.y * GRID_X;
    let image = at / params.chunks;
    let begin = (at % params.chunks) * params.chunk;
    let end = min(params.pixels, begin + params.chunk);
    var sum = vec4<f32>(0.0);
    if (image < params.images && image < step.count) {
        for (var pixel = begin + thread; pixel < end; pixel += 64u) {
            let l = logits[image * params.pixels + pixel];
            sum += max(l, vec4<f32>(0.0)) - l * x[image * params.pixels + pixel] + log(1.0 + exp(-abs(l)));
        }
    }
    let total = tree_sum(thread, sum.x + sum.y + sum.z);
    if (thread == 0u && image < params.images) {
        out[at] = total;
    }
}
