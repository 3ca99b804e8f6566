// Four f32 packed as two u64: half the number of accesses for equal bytes, for adapters that process lanes and
// components one by one.

const HALF: vec2<u32> = vec2<u32>(32u);

fn words_of(values: vec4<f32>) -> vec2<u64> {
    let bits = bitcast<vec4<u32>>(values);
    return vec2<u64>(bits.xz) | (vec2<u64>(bits.yw) << HALF);
}

fn floats_of(words: vec2<u64>) -> vec4<f32> {
    let low = vec2<u32>(words);
    let high = vec2<u32>(words >> HALF);
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}
