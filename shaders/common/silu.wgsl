// SiLU, x * sigmoid(x), and its derivative. The bound keeps exp finite, which WGSL does not promise beyond f32.
// Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation", 2018.

fn silu_of(x: vec4<f32>) -> vec4<f32> {
    return x / (1.0 + exp(min(-x, vec4<f32>(80.0))));
}

fn silu_slope(x: vec4<f32>) -> vec4<f32> {
    let s = 1.0 / (1.0 + exp(min(-x, vec4<f32>(80.0))));
    return s * (1.0 + x * (1.0 - s));
}
