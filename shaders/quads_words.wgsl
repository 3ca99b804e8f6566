// Four f32 in memory as words of 64 bits, where quads.wgsl has four floats.

alias Quad = vec2<u64>;

fn packed(values: vec4<f32>) -> Quad {
    return words_of(values);
}

fn unpacked(quad: Quad) -> vec4<f32> {
    return floats_of(quad);
}
