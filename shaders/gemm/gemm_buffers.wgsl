// Loads of a product's factors from storage buffers. Values wider than the core's cells are rounded here.

@group(0) @binding(0) var<storage, read> left: array<vec4<Left>>;
@group(0) @binding(1) var<storage, read> right: array<vec4<Right>>;

// Elements 4i..4i+3 of the left factor, zero if `outside`, where i may be beyond the tensor: WebGPU then loads some value, which
// is not used. It uses select instead of a branch: under a branch's mask a software adapter loads lane by lane, and
// compiles longer.
fn left_at(i: u32, outside: bool) -> vec4<Cell> {
    return select(vec4<Cell>(left[i]), vec4<Cell>(), outside);
}

fn right_at(i: u32, outside: bool) -> vec4<Cell> {
    return select(vec4<Cell>(right[i]), vec4<Cell>(), outside);
}
