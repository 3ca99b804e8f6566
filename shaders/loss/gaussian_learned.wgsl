// Gaussian likelihood around p = sigmoid(l) whose variance v = exp(2 log_sigma) is a parameter, equal for all channels. It
// is at least LEAST_VARIANCE. Nats of a value: (p - x)^2 / (2 v) + log(2 pi v) / 2; derivative by l: (p - x) / v * p (1 - p).
// The derivative by log_sigma is in log_sigma_grad.wgsl.

@group(0) @binding(6) var<storage, read> log_sigma: array<f32>; // [4], padded

fn variance() -> f32 {
    return max(exp(2.0 * log_sigma[0]), LEAST_VARIANCE);
}

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let v = variance();
    let e = mean_of(l) - x;
    return 0.5 * (e * e / v + log(6.2831853 * v));
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let p = mean_of(l);
    return (p - x) / variance() * p * (1.0 - p);
}
