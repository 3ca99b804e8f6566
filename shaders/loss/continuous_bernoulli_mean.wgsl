// Mean of a continuous Bernoulli, from its logit: 1 / (1 - exp(-l)) - 1 / l; near 0, where both terms are large, its
// Taylor series. Pictures show this mean; see continuous_bernoulli.wgsl.

fn mean_of(l: vec4<f32>) -> vec4<f32> {
    let s = l * l;
    let near = 0.5
        + l * (1.0 / 12.0 + s * (-1.0 / 720.0 + s * (1.0 / 30240.0 + s * (-1.0 / 1209600.0))));
    // exp only gets a negative argument; the mean at -l is 1 minus the mean at l
    let a = max(abs(l), vec4<f32>(1.0));
    let above = 1.0 / (1.0 - exp(-a)) - 1.0 / a;
    let far = select(1.0 - above, above, l > vec4<f32>(0.0));
    return select(near, far, abs(l) > vec4<f32>(1.0));
}
