// Continuous Bernoulli likelihood of a pixel x in 0..=1: the density exp(l x - A(l)) on the unit interval, in nats
//   A(l) - l x with A(l) = log((exp(l) - 1) / l), derivative by l: A'(l) - x, A' being
//   continuous_bernoulli_mean.wgsl.
// It is the cross-entropy plus the constant that normalizes the density.
// Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
// autoencoders", 2019; their log C(lambda) is log(1 + exp(l)) - A(l).

fn nats_of(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    // near 0 the quotient loses its digits, so Taylor's series is used
    let s = l * l;
    let near = 0.5 * l
        + s * (1.0 / 24.0 + s * (-1.0 / 2880.0 + s * (1.0 / 181440.0 + s * (-1.0 / 9676800.0))));
    let a = max(abs(l), vec4<f32>(1.0));
    let far = max(l, vec4<f32>(0.0)) + log((1.0 - exp(-a)) / a);
    return select(near, far, abs(l) > vec4<f32>(1.0)) - l * x;
}

fn nats_by_logit(l: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return mean_of(l) - x;
}
