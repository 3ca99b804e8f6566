// Reduces a batch's gradient norm per picture, and computes the clip factor:
//   totals[GRAD_NORM] = sqrt(sum of squares) / pictures, without the loss scale (loss_scale.wgsl);
//   totals[CLIP_FACTOR] = min(1, most / (norm + 1e-6)), as in torch.nn.utils.clip_grad_norm_.
// Source: Pascanu et al., "On the difficulty of training recurrent neural networks", 2013.
// One workgroup; the sum is a tree, in fixed order.

struct Params {
    parts: u32, // number of sums from square_sum.wgsl
    most: f32, // maximum norm
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> squares: array<f32>; // [parts]
@group(0) @binding(2) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(3) var<storage, read_write> totals: array<f32>; // [slots]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var i = thread; i < params.parts; i += 64u) {
        sum += squares[i];
    }
    let all = tree_sum(thread, vec4<f32>(sum, 0.0, 0.0, 0.0)).x;
    if (thread == 0u) {
        let factor = power_of_two(-bitcast<i32>(scaling[EXPONENT]));
        let norm = factor * sqrt(all) / f32(max(step.batch, 1u));
        totals[GRAD_NORM] = norm;
        totals[CLIP_FACTOR] = min(1.0, params.most / (norm + 1e-6));
    }
}
