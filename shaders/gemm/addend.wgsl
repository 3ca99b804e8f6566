// The tensor that the epilogue adds, shaped as `out` and of its element type; the host says its binding, ADDEND.

@group(0) @binding(ADDEND) var<storage, read> addend: array<Vec4>;

fn addend_at(i: u32) -> vec4<f32> {
    return unpacked(addend[i]);
}
