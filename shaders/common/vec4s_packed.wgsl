// Four f32 in memory as words of 64 bits, where vec4s.wgsl has four floats.

alias Vec4 = vec2<u64>;

fn packed(values: vec4<f32>) -> Vec4 {
    return words_of(values);
}

fn unpacked(values: Vec4) -> vec4<f32> {
    return floats_of(values);
}
