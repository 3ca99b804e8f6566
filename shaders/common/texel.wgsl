// Where a texture of a tensor has its elements: texel i % width of row i / width those of 4i..4i+3, and behind each row
// zeros.

fn texel_of(i: u32, width: u32, outside: bool) -> vec2<u32> {
    return select(vec2<u32>(i % width, i / width), vec2<u32>(width, 0u), outside);
}
