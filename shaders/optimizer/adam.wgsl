// Adam, as torch.optim.Adam computes it, with the decay of torch.optim.AdamW (zero without --weight-decay):
//   m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
//   param -= lr * decay * param + lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
// One item per vec4. The two bias corrections are computed by the host in f64. Padding has g = 0 and stays zero.
// Gradients are divided by the loss scale (loss_scale.wgsl) here, and with CLIP multiplied by the clip factor
// (grad_clip.wgsl); a step with non-finite gradients is skipped.
// Sources: Kingma and Ba, "Adam: a method for stochastic optimization", 2014; Loshchilov and Hutter, "Decoupled weight
// decay regularization", 2019.

struct Params {
    vec4s: u32, // vec4s of the range
    rate1: f32, // 1 - b1
    rate2: f32, // 1 - b2
    beta2: f32, // b2; 1 - b2 and b2 are rounded from f64 separately, since 1 - f32(0.999) is off by 5e-5
    eps: f32,
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> grad: array<Vec4>; // [vec4s]
@group(0) @binding(2) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(3) var<storage, read> totals: array<f32>; // [slots], see grad_clip.wgsl
@group(0) @binding(4) var<storage, read_write> param: array<Vec4>; // [vec4s]
@group(0) @binding(5) var<storage, read_write> moment1: array<Vec4>; // [vec4s]
@group(0) @binding(6) var<storage, read_write> moment2: array<Vec4>; // [vec4s]

fn item(at: u32) {
    if ((at >= params.vec4s) | (scaling[FOUND] != 0u)) {
        return;
    }
    let factor = power_of_two(-bitcast<i32>(scaling[EXPONENT])) * select(1.0, totals[CLIP_FACTOR], CLIP);
    let g = factor * unpacked(grad[at]);
    let first = unpacked(moment1[at]);
    let m = first + params.rate1 * (g - first);
    let v = params.beta2 * unpacked(moment2[at]) + params.rate2 * g * g;
    moment1[at] = packed(m);
    moment2[at] = packed(v);
    let change = step.step_size * m / (sqrt(v) * step.inv_sqrt_bias2 + params.eps);
    let value = unpacked(param[at]);
    param[at] = packed(value - (step.decay * value + change));
}
