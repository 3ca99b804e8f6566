// Four f32 of an output tensor, converted to and from packed u64; the counterpart of vec4s.wgsl.

alias Vec4 = vec2<u64>;

fn packed(values: vec4<f32>) -> Vec4 {
    return words_of(values);
}

fn unpacked(values: Vec4) -> vec4<f32> {
    return floats_of(values);
}
