// Inverse transform of a weight gradient: the 2 x 2 taps of each parity from their transformed values; see
// winograd.wgsl.
// One invocation per channel of low, parity and vec4 of channels of high.

const ITEMS: u32 = params.low_c * 4u * HIGH;

fn gather(m: mat3x4<f32>) -> mat2x4<f32> {
    return mat2x4<f32>(m[0] + m[1], m[1] + m[2]);
}

// two taps of a row of the kernel
fn store_row(place: u32, bias: vec4<f32>, m: mat3x4<f32>) {
    let taps = gather(m);
    epilogue(place, bias, taps[0]);
    epilogue(place + 2u * HIGH, bias, taps[1]);
}

fn item(at: u32) {
    let c4 = at % HIGH;
    let parity = parity_of(at);
    // the first tap of this parity; the others follow at stride 2
    let first = ((at / HIGH / 4u * 4u + 1u - parity.y) * 4u + 1u - parity.x) * HIGH + c4;
    let left = gather(column(at, 0u));
    let middle = gather(column(at, 1u));
    let right = gather(column(at, 2u));
    let bias = bias_of(c4);
    store_row(first, bias, mat3x4<f32>(left[0], middle[0], right[0]));
    store_row(first + 8u * HIGH, bias, mat3x4<f32>(left[1], middle[1], right[1]));
}
