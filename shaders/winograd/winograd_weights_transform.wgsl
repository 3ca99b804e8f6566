// transformed[3i + j] of the 2 x 2 taps of each parity of a kernel; see winograd.wgsl.
// One invocation per channel of low, parity and vec4 of channels of high.

// source: weights [C_low, 4, 4, C_high]

const ITEMS: u32 = params.low_c * 4u * HIGH;

fn spread(g: mat2x4<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(g[0], g[0] + g[1], g[1]);
}

fn item(at: u32) {
    let c4 = at % HIGH;
    let parity = parity_of(at);
    // the first tap of this parity; the others follow at stride 2
    let first = ((at / HIGH / 4u * 4u + 1u - parity.y) * 4u + 1u - parity.x) * HIGH + c4;
    let down = 8u * HIGH;
    let along = 2u * HIGH;
    let left = spread(mat2x4<f32>(source_at(first, false), source_at(first + down, false)));
    let right = spread(mat2x4<f32>(source_at(first + along, false), source_at(first + down + along, false)));
    store_row(0u, at, spread(mat2x4<f32>(left[0], right[0])));
    store_row(1u, at, spread(mat2x4<f32>(left[1], right[1])));
    store_row(2u, at, spread(mat2x4<f32>(left[2], right[2])));
}
