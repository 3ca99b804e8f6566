// Gaussian likelihood around p = sigmoid(l) whose variance is the mean squared error m of the whole batch: of all
// channels, or with PER_CHANNEL of each channel. It is at least LEAST_VARIANCE. Its nats are
//   n D / 2 (log(2 pi m) + 1) over n pictures of D values; derivative by l: (p - x) / m * p (1 - p).
// m minimizes the nats, so their derivative through m is zero. The host makes the nats of the sums of squared errors
// (squared_error.wgsl), so this file adds none.
// Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021, section 3.

@group(0) @binding(6) var<storage, read> squared_errors: array<f32>; // the totals of the batch, [slots]

fn variance() -> vec4<f32> {
    let sums = vec3<f32>(
        squared_errors[SQUARED_ERROR_R], squared_errors[SQUARED_ERROR_G], squared_errors[SQUARED_ERROR_B]);
    let values = f32(max(step.batch, 1u)) * f32(params.pixels);
    var m = vec3<f32>(sums.x + sums.y + sums.z) / (3.0 * values);
    if (PER_CHANNEL) {
        m = sums / values;
    }
    return vec4<f32>(max(m, vec3<f32>(LEAST_VARIANCE)), 1.0);
}

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(0.0);
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    let p = mean_of(l);
    return (p - x) / variance() * p * (1.0 - p);
}
