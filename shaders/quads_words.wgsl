// Four f32 in memory as two words of 64 bits, where quads.wgsl has four floats: the same bytes in half as many accesses,
// for adapters that go through lanes and components one by one.

alias Quad = vec2<u64>;

const HALF: vec2<u32> = vec2<u32>(32u);

fn packed(values: vec4<f32>) -> Quad {
    let bits = bitcast<vec4<u32>>(values);
    return Quad(bits.xz) | (Quad(bits.yw) << HALF);
}

fn unpacked(quad: Quad) -> vec4<f32> {
    let low = vec2<u32>(quad);
    let high = vec2<u32>(quad >> HALF);
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}
