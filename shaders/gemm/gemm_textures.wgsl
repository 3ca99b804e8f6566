// The factors of a product as textures, copies of their tensors. llvmpipe reads a buffer lane by lane, with a check and a
// branch for each number (368 instructions for a vec4 in each of 8 lanes), and a texture by vectors (58).

@group(0) @binding(0) var left: LeftTexture;
@group(0) @binding(1) var right: RightTexture;

// elements 4i..4i+3 of the left factor, zero where `outside`
fn left_at(i: u32, outside: bool) -> vec4<f32> {
    return textureLoad(left, texel_of(i, LEFT_WIDTH, outside));
}

fn right_at(i: u32, outside: bool) -> vec4<f32> {
    return textureLoad(right, texel_of(i, RIGHT_WIDTH, outside));
}
