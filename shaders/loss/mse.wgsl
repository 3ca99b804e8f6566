// Gaussian likelihood with standard deviation s around p = sigmoid(l), in nats:
//   (p - x)^2 / (2 s^2) + log(2 pi s^2) / 2, with derivative by l: (p - x) / s^2 * p (1 - p).

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let error = mean_of(l) - x;
    return params.weight * error * error + params.norm;
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let p = mean_of(l);
    return 2.0 * params.weight * (p - x) * p * (1.0 - p);
}
