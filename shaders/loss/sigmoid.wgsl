// Mean of a Bernoulli pixel, from its logit: the logistic function without overflow, since exp only gets negative
// arguments.

fn mean_of(l: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(l));
    return select(e, vec4<f32>(1.0), l >= vec4<f32>(0.0)) / (1.0 + e);
}
