// Output of the kernels that compute transformed values.

@group(0) @binding(1) var<storage, read_write> transformed: array<Vec4>; // [9, ITEMS]

// transformed values 3i, 3i + 1 and 3i + 2 of item `at`
fn store_row(i: u32, at: u32, row: mat3x4<f32>) {
    transformed[3u * i * ITEMS + at] = packed(row[0]);
    transformed[(3u * i + 1u) * ITEMS + at] = packed(row[1]);
    transformed[(3u * i + 2u) * ITEMS + at] = packed(row[2]);
}
