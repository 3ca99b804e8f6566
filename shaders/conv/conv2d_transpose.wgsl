// Transposed convolution, kernel 4, stride 2, padding 1, as an implicit matrix product:
//   out[n, 2i - 1 + ky, 2j - 1 + kx, c] += x[n, i, j, o] * weight[o, ky, kx, c]
// An output pixel of row parity py and column parity px has exactly 2 x 2 taps: with t in {0, 1},
//   row 2i + py takes x's row i + py - 1 + t through ky = 3 - py - 2t, and columns likewise.
// The four parities are four planes: rows are x's pixels, K = 2 * 2 * C_low.
// Also the input gradient of a convolution with the same weight.

// left: x [N, H, W, C_low]
// right: weight [C_low, 4, 4, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // bias [C_high] or mask, shaped as out
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, 2H, 2W, C_high]

const M: u32 = PIXELS;
const N: u32 = params.high_c;
const K: u32 = 4u * params.low_c;
const PLANES: u32 = 4u;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let tap = k / params.low_c;
    let low = pixel_of(m);
    // one more than the row and column of x: 0 and H + 1 lie outside, where `pixel` may wrap
    let row = low.row + plane / 2u + tap / 2u;
    let col = low.col + plane % 2u + tap % 2u;
    let pixel = (low.picture * params.low_h + row - 1u) * params.low_w + col - 1u;
    let outside = (m >= M) | (k >= K) | (row == 0u) | (row > params.low_h) | (col == 0u) | (col > params.low_w);
    return left_at((pixel * params.low_c + k % params.low_c) / 4u, outside); // x[n, row - 1, col - 1, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let tap = k / params.low_c;
    let ky = 3u - plane / 2u - 2u * (tap / 2u);
    let kx = 3u - plane % 2u - 2u * (tap % 2u);
    let o = k % params.low_c;
    let outside = (n >= N) | (k >= K);
    return right_at(((o * 16u + ky * 4u + kx) * N + n) / 4u, outside); // weight[o, ky, kx, c..c+3]
}

// the first row of out takes nothing through t = 0, the last nothing through t = 1
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let first = (plane / 2u == 0u) & in_first_row(rows);
    let last = (plane / 2u == 1u) & in_last_row(rows);
    return Range(select(0u, K / 2u, first), select(K, K / 2u, last));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    let low = pixel_of(m);
    let row = 2u * (low.picture * params.low_h + low.row) + plane / 2u;
    let col = 2u * low.col + plane % 2u;
    return ((row * 2u * params.low_w + col) * N + n) / 4u; // out[n, 2i + py, 2j + px, c..c+3]
}
