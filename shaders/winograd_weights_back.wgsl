// The 2 x 2 taps of each parity of a weight gradient from their points; see winograd.wgsl.
// One invocation per channel of low, parity and vec4 of channels of high.

@group(0) @binding(0) var<storage, read> points: array<vec4<f32>>; // [9, C_low, 2, 2, C_high]
@group(0) @binding(1) var<storage, read> aux: array<vec4<Aux>>; // as epilogue.wgsl says
@group(0) @binding(2) var<storage, read_write> out: array<vec4<Out>>; // [C_low, 4, 4, C_high]

const ITEMS: u32 = params.low_c * 4u * HIGH;

fn gather(m: mat3x4<f32>) -> mat2x4<f32> {
    return mat2x4<f32>(m[0] + m[1], m[1] + m[2]);
}

// points of column j
fn column(at: u32, j: u32) -> mat3x4<f32> {
    let first = j * ITEMS + at;
    return mat3x4<f32>(points[first], points[first + 3u * ITEMS], points[first + 6u * ITEMS]);
}

// two taps of a row of the kernel
fn store_row(place: u32, quad: u32, m: mat3x4<f32>) {
    let taps = gather(m);
    finish(place, quad, taps[0]);
    finish(place + 2u * HIGH, quad, taps[1]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = item_at(workgroup, thread);
    if (at >= ITEMS) {
        return;
    }
    let quad = at % HIGH;
    let parity = vec2<u32>(at / HIGH % 2u, at / HIGH / 2u % 2u);
    // the first tap of this parity, and the others behind it
    let first = ((at / HIGH / 4u * 4u + 1u - parity.y) * 4u + 1u - parity.x) * HIGH + quad;
    let left = gather(column(at, 0u));
    let middle = gather(column(at, 1u));
    let right = gather(column(at, 2u));
    store_row(first, quad, mat3x4<f32>(left[0], middle[0], right[0]));
    store_row(first + 8u * HIGH, quad, mat3x4<f32>(left[1], middle[1], right[1]));
}
