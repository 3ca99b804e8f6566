// Gradient of a micro-batch's nats by log_sigma, the logarithm of a Gaussian's learned width (gaussian_learned.wgsl), times
// the loss scale: D - S / v for D values with squared errors S (squared_error.wgsl) and v = exp(2 log_sigma). Below
// LEAST_VARIANCE the nats do not depend on log_sigma, and the gradient only leads back: min(D - S / LEAST_VARIANCE, 0).
// With ACCUMULATE it is added to that of the micro-batches before.
// One workgroup (sum_parts.wgsl).

struct Params {
    parts: u32, // number of parts, over all pictures
    pixels: u32, // pixels of a picture
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(2) var<storage, read> log_sigma: array<f32>; // [4], padded
@group(0) @binding(3) var<storage, read> parts: array<vec4<f32>>; // [parts]
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>; // [4], padded

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    let all = sum_parts(thread);
    if (thread == 0u) {
        let v = exp(2.0 * log_sigma[0]);
        let values = f32(3u * params.pixels) * f32(step.valid);
        var d = values - (all.x + all.y + all.z) / max(v, LEAST_VARIANCE);
        if (v < LEAST_VARIANCE) {
            d = min(d, 0.0);
        }
        d *= power_of_two(bitcast<i32>(scaling[EXPONENT]));
        if (ACCUMULATE) {
            d += gradient[0];
        }
        gradient[0] = d;
    }
}
