// Binary cross-entropy of a pixel x in 0..=1 and its logit l, in nats, in the stable form
//   max(l, 0) - l x + log(1 + exp(-|l|)), with derivative by l: sigmoid(l) - x.

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return max(l, vec4<f32>(0.0)) - l * x + log(1.0 + exp(-abs(l)));
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return mean_of(l) - x;
}
