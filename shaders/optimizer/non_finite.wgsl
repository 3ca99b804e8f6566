// Test for non-finite elements (inf or NaN), by their bits, because WGSL lets a compiler assume that there are none.

fn infinite(v: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
}
