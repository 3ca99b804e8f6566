// Weight gradient of both convolutions of kernel k, stride s and padding p as an implicit matrix product:
//   out[o, ky, kx, c] = sum over n, i, j of low[n, i, j, o] * high[n, s i - p + ky, s j - p + kx, c]
// For conv2d, low is dy and high is x; for conv2d_transpose, low is x and high is dy.
// Rows are o, columns (ky, kx, c); the sum runs over every pixel of low, which is why it is split.

// left: low [N, H, W, C_low]
// right: high [N, sH, sW, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // for `epilogue`, unused
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [C_low, k, k, C_high]

const M: u32 = params.low_c;
const N: u32 = TAPS * params.high_c;
const K: u32 = PIXELS;
const PLANES: u32 = 1u;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let outside = (m >= M) | (k >= K);
    return left_at((index_of(k) * M + m) / 4u, outside); // low[n, i, j, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let tap = n / params.high_c;
    let low = pixel_of(k);
    // the row and column of high plus the padding, which keeps them from being negative; outside, `pixel` is not used
    let row = params.stride * low.row + tap / params.kernel;
    let col = params.stride * low.col + tap % params.kernel;
    let pixel = (low.picture * HIGH_H + row - params.padding) * HIGH_W + col - params.padding;
    let outside = (n >= N) | (k >= K) | outside_high(row, col);
    return right_at((pixel * params.high_c + n % params.high_c) / 4u, outside); // high[n, row - p, col - p, c..c+3]
}

// through the first p rows of the kernel the first row of low adds nothing, through the last p its last row
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = params.padding * params.kernel * params.high_c;
    let first = BY_ROWS & (columns.end <= taps);
    let last = BY_ROWS & (columns.begin >= N - taps);
    return Range(select(0u, ROW, first), select(K, K - ROW, last));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (m * N + n) / 4u;
}
