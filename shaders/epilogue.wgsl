// What happens to a finished sum on its way to `out`: the switches come with the dispatch.

fn finish(at: u32, channel: u32, sum: vec4<f32>) {
    var value = sum;
    if (BIAS) {
        value += vec4<f32>(aux[channel]); // [N]
    }
    if (RELU) {
        value = max(value, vec4<f32>(0.0));
    }
    if (MASK) {
        // the derivative of ReLU, read off its output; aux is shaped as out
        value = select(vec4<f32>(0.0), value, vec4<f32>(aux[at]) > vec4<f32>(0.0));
    }
    if (ACCUMULATE) {
        value += unpacked(out[at]);
    }
    out[at] = packed(value);
}
