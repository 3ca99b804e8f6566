// Convolution, kernel 4, stride 2, padding 1, as an implicit matrix product:
//   out[n, i, j, o] = sum over ky, kx, c of x[n, 2i - 1 + ky, 2j - 1 + kx, c] * weight[o, ky, kx, c]
// A is the window of x (never stored), rows are output pixels; B is weight, K = 4 * 4 * C_high.
// Also the input gradient of a transposed convolution with the same weight.

// left: x [N, 2H, 2W, C_high]
// right: weight [C_low, 4, 4, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // bias [C_low] or mask, shaped as out
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, H, W, C_low]

const M: u32 = PIXELS;
const N: u32 = params.low_c;
const K: u32 = 16u * params.high_c;
const PLANES: u32 = 1u;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let tap = k / params.high_c;
    let low = pixel_of(m);
    // one more than the row and column of x, so that the padding is 0; `pixel` may wrap there, and is not used
    let row = 2u * low.row + tap / 4u;
    let col = 2u * low.col + tap % 4u;
    let pixel = (low.picture * 2u * params.low_h + row - 1u) * 2u * params.low_w + col - 1u;
    let outside = (m >= M) | (k >= K) | (row == 0u) | (row > 2u * params.low_h) | (col == 0u) | (col > 2u * params.low_w);
    return left_at((pixel * params.high_c + k % params.high_c) / 4u, outside); // x[n, row - 1, col - 1, c..c+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let outside = (n >= N) | (k >= K);
    return right_at((n * K + k) / 4u, outside); // weight[o, ky, kx, c..c+3]
}

// the first row of out takes nothing through ky = 0, the last nothing through ky = 3
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = 4u * params.high_c; // of one ky
    return Range(select(0u, taps, in_first_row(rows)), select(K, K - taps, in_last_row(rows)));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (index_of(m) * N + n) / 4u;
}
