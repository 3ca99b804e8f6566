// Position of an element in a texture copy: vec4 i is texel i % width of row i / width; each row ends in zeros.

fn texel_of(i: u32, width: u32, outside: bool) -> vec2<u32> {
    return select(vec2<u32>(i % width, i / width), vec2<u32>(width, 0u), outside);
}
