// Loads of a kernel's source operand from its texture copy, see gemm_textures.wgsl.

@group(0) @binding(0) var source: SourceTexture;

// elements 4i..4i+3, zero if `outside`
fn source_at(i: u32, outside: bool) -> vec4<f32> {
    return textureLoad(source, texel_of(i, SOURCE_WIDTH, outside));
}
