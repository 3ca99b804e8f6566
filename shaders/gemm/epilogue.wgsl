// The epilogue of a finished sum: bias, ReLU, addition, mask, accumulation. The host sets the switches.

// The bias of four channels, or zeros. A parameter of `epilogue`, so that several rows of these channels load it once.
fn bias_of(c4: u32) -> vec4<f32> {
    if (BIAS) {
        return aux_at(c4); // [N]
    }
    return vec4<f32>(0.0);
}

fn epilogue(at: u32, bias: vec4<f32>, sum: vec4<f32>) {
    var value = sum;
    if (BIAS) {
        value += bias;
    }
    if (RELU) {
        value = max(value, vec4<f32>(0.0));
    }
    if (ADD) {
        value += addend_at(at);
    }
    if (MASK) {
        // the derivative of ReLU, read off its output; aux is shaped as out
        value = select(vec4<f32>(0.0), value, aux_at(at) > vec4<f32>(0.0));
    }
    if (ACCUMULATE) {
        value += unpacked(out[at]);
    }
    out[at] = packed(value);
}
