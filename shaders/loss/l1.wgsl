// Laplace likelihood with scale s around p = sigmoid(l), in nats:
//   |p - x| / s + log(2 s), with derivative by l: sign(p - x) / s * p (1 - p).

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return params.weight * abs(mean_of(l) - x) + params.norm;
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let p = mean_of(l);
    return params.weight * sign(p - x) * p * (1.0 - p);
}
