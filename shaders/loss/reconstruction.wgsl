// Negative log-likelihood of a picture given the decoder's logits, summed over the three channels, in nats.
// One workgroup per (picture, chunk of pixels); the sum is a tree, in fixed order.
// With GRADIENT it also computes the gradient with respect to the logits, times the loss scale (loss_scale.wgsl).
// The likelihood of a pixel and its gradient are in a separate file: bce.wgsl, mse.wgsl, l1.wgsl,
// continuous_bernoulli.wgsl, gaussian.wgsl or gaussian_learned.wgsl. parts holds one vec4 per picture and chunk: the sums of the gradients per channel (the
// gradient of the last layer's bias) and the nats. Pictures from step.valid on contribute zero, and the fourth channel
// is padding.

struct Params {
    batch: u32, // N
    pixels: u32, // pixels of a picture
    chunks: u32, // per picture
    chunk: u32, // pixels per chunk
    weight: f32, // weight of an error: 1 / (2 sigma^2) for squared ones, 1 / sigma for absolute ones
    norm: f32, // normalization constant of the density, in nats per value
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [N, pixels, 4]
@group(0) @binding(3) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(4) var<storage, read_write> dlogits: array<vec4<f32>>; // [N, pixels, 4]; one vec4 without GRADIENT
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>; // [N, chunks]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = workgroup.x + workgroup.y * GRID_X;
    let picture = at / params.chunks;
    let begin = (at % params.chunks) * params.chunk;
    let end = min(params.pixels, begin + params.chunk);
    let counts = select(0.0, 1.0, picture < step.valid);
    let factor = counts * power_of_two(bitcast<i32>(scaling[EXPONENT]));
    var nats = vec4<f32>(0.0);
    var gradients = vec4<f32>(0.0);
    if (picture < params.batch) {
        for (var pixel = begin + thread; pixel < end; pixel += 64u) {
            let l = logits[picture * params.pixels + pixel];
            let target_x = x[picture * params.pixels + pixel];
            nats += nats_of(l, target_x);
            if (GRADIENT) {
                let d = nats_by_logit(l, target_x) * vec4<f32>(factor, factor, factor, 0.0);
                dlogits[picture * params.pixels + pixel] = d;
                gradients += d;
            }
        }
    }
    let total = tree_sum(thread, vec4<f32>(gradients.xyz, counts * (nats.x + nats.y + nats.z)));
    if ((thread == 0u) & (picture < params.batch)) {
        parts[at] = total;
    }
}
