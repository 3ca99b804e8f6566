// Loads of a product's factors from texture copies of their tensors.
// llvmpipe reads a buffer lane by lane, with a check and a branch per number, but a texture with vector instructions
// (figures in docs/lab-notebook/defaults.md).

@group(0) @binding(0) var left: LeftTexture;
@group(0) @binding(1) var right: RightTexture;

// elements 4i..4i+3 of the left factor, zero if `outside`
fn left_at(i: u32, outside: bool) -> vec4<f32> {
    return textureLoad(left, texel_of(i, LEFT_WIDTH, outside));
}

fn right_at(i: u32, outside: bool) -> vec4<f32> {
    return textureLoad(right, texel_of(i, RIGHT_WIDTH, outside));
}
