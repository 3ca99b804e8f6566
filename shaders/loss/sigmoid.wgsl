// The mean of a pixel by its logit: the logistic function without overflow, exp only ever sees a negative argument.

fn mean_of(l: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(l));
    return select(e, vec4<f32>(1.0), l >= vec4<f32>(0.0)) / (1.0 + e);
}
