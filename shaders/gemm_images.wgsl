// The factors of a product as images, copies of their tensors: texel i % IMAGE_WIDTH of row i / IMAGE_WIDTH has
// elements 4i..4i+3. llvmpipe reads a buffer lane by lane, with a check and a branch for each number (368 instructions
// for a vec4 in each of 8 lanes), and an image by vectors (58).

@group(0) @binding(0) var left: LeftImage;
@group(0) @binding(1) var right: RightImage;

fn texel_of(i: u32, outside: bool) -> vec2<u32> {
    return select(vec2<u32>(i % IMAGE_WIDTH, i / IMAGE_WIDTH), vec2<u32>(0u), outside);
}

// elements 4i..4i+3 of the left factor, zero where `outside`
fn left_at(i: u32, outside: bool) -> vec4<f32> {
    return select(textureLoad(left, texel_of(i, outside)), vec4<f32>(0.0), outside);
}

fn right_at(i: u32, outside: bool) -> vec4<f32> {
    return select(textureLoad(right, texel_of(i, outside)), vec4<f32>(0.0), outside);
}
