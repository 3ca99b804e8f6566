// Loads of a product's factors from storage buffers.

@group(0) @binding(0) var<storage, read> left: array<vec4<Left>>;
@group(0) @binding(1) var<storage, read> right: array<vec4<Right>>;

// Elements 4i..4i+3 of the left factor, zero if `outside`. It uses select instead of a branch: under a branch's mask a
// software adapter loads lane by lane, and compiles longer.
fn left_at(i: u32, outside: bool) -> vec4<f32> {
    return select(vec4<f32>(left[select(i, 0u, outside)]), vec4<f32>(0.0), outside);
}

fn right_at(i: u32, outside: bool) -> vec4<f32> {
    return select(vec4<f32>(right[select(i, 0u, outside)]), vec4<f32>(0.0), outside);
}
