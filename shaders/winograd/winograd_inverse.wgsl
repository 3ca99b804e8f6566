// Operands of the inverse transforms.

// source: transformed values [9, ITEMS]
@group(0) @binding(1) var<storage, read> aux: array<AuxVec4>; // bias, one per channel, or mask, as out
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>; // high, low or weights

// transformed values j, 3 + j and 6 + j of item `at`
fn column(at: u32, j: u32) -> mat3x4<f32> {
    let first = j * ITEMS + at;
    return mat3x4<f32>(source_at(first, false), source_at(first + 3u * ITEMS, false), source_at(first + 6u * ITEMS, false));
}
