// Convolution of kernel k, stride s and padding p as an implicit matrix product:
//   out[n, i, j, o] = sum over ky, kx, c of x[n, s i - p + ky, s j - p + kx, c] * weight[o, ky, kx, c]
// A is the window of x (never stored), rows are output pixels; B is weight, K = k * k * C_high.
// Also the input gradient of a transposed convolution of this weight.

// left: x [N, sH, sW, C_high]
// right: weight [C_low, k, k, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // bias [C_low] or mask, shaped as out
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, H, W, C_low]

const M: u32 = PIXELS;
const N: u32 = params.low_c;
const K: u32 = TAPS * params.high_c;
const PLANES: u32 = 1u;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let tap = k / params.high_c;
    let low = pixel_of(m);
    // the row and column of x plus the padding, which keeps them from being negative; outside, `pixel` is not used
    let row = params.stride * low.row + tap / params.kernel;
    let col = params.stride * low.col + tap % params.kernel;
    let pixel = (low.picture * HIGH_H + row - params.padding) * HIGH_W + col - params.padding;
    let outside = (m >= M) | (k >= K) | outside_high(row, col);
    return left_at((pixel * params.high_c + k % params.high_c) / 4u, outside); // x[n, row - p, col - p, c..c+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let outside = (n >= N) | (k >= K);
    return right_at((n * K + k) / 4u, outside); // weight[o, ky, kx, c..c+3]
}

// the first row of out takes nothing through the first p rows of the kernel, the last nothing through the last p
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = params.padding * params.kernel * params.high_c;
    return Range(select(0u, taps, in_first_row(rows)), select(K, K - taps, in_last_row(rows)));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (index_of(m) * N + n) / 4u;
}
