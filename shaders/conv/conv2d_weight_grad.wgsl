// Weight gradient of both convolutions, kernel 4, stride 2, padding 1, as an implicit matrix product:
//   out[o, ky, kx, c] = sum over n, i, j of low[n, i, j, o] * high[n, 2i - 1 + ky, 2j - 1 + kx, c]
// For conv2d, low is dy and high is x; for conv2d_transpose, low is x and high is dy.
// Rows are o, columns (ky, kx, c); the sum runs over every pixel of low, which is why it is split.

// left: low [N, H, W, C_low]
// right: high [N, 2H, 2W, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // for `epilogue`, unused
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [C_low, 4, 4, C_high]

const M: u32 = params.low_c;
const N: u32 = 16u * params.high_c;
const K: u32 = PIXELS;
const PLANES: u32 = 1u;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let outside = (m >= M) | (k >= K);
    return left_at((index_of(k) * M + m) / 4u, outside); // low[n, i, j, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let tap = n / params.high_c;
    let low = pixel_of(k);
    // one more than the row and column of high, so that the padding is 0; `pixel` may wrap there, and is not used
    let row = 2u * low.row + tap / 4u;
    let col = 2u * low.col + tap % 4u;
    let pixel = (low.picture * 2u * params.low_h + row - 1u) * 2u * params.low_w + col - 1u;
    let outside = (n >= N) | (k >= K) | (row == 0u) | (row > 2u * params.low_h) | (col == 0u) | (col > 2u * params.low_w);
    return right_at((pixel * params.high_c + n % params.high_c) / 4u, outside); // high[n, row - 1, col - 1, c..c+3]
}

// through ky = 0 the first row of low adds nothing, through ky = 3 the last
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = 4u * params.high_c; // of one ky
    let first = BY_ROWS & (columns.end <= taps);
    let last = BY_ROWS & (columns.begin >= N - taps);
    return Range(select(0u, ROW, first), select(K, K - ROW, last));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (m * N + n) / 4u;
}
