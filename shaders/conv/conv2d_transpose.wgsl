// Transposed convolution of kernel k, stride s and padding p as an implicit matrix product:
//   out[n, s i - p + ky, s j - p + kx, c] += x[n, i, j, o] * weight[o, ky, kx, c]
// An output pixel of row parity py and column parity px, below s, has T x T taps, T = k / s. With 0 <= t < T and
// d = (k - 1 - p) / s, row s i + py takes x's row i + py - d + t through ky = p + s d - (s - 1) py - s t; so do columns.
// The s * s parities are planes: rows are x's pixels, K = T * T * C_low.
// Also the input gradient of a convolution of this weight.

// left: x [N, H, W, C_low]
// right: weight [C_low, k, k, C_high]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // bias [C_high] or mask, shaped as out
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, sH, sW, C_high]

const M: u32 = PIXELS;
const N: u32 = params.high_c;
const T: u32 = params.kernel / params.stride;
const D: u32 = (params.kernel - 1u - params.padding) / params.stride;
const K: u32 = T * T * params.low_c;
const LAST_TAP: u32 = params.padding + params.stride * D; // ky of t = 0 and parity 0
const PLANES: u32 = params.stride * params.stride;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let tap = k / params.low_c;
    let low = pixel_of(m);
    // the row and column of x plus d, which keeps them from being negative; outside, `pixel` is not used
    let row = low.row + plane / params.stride + tap / T;
    let col = low.col + plane % params.stride + tap % T;
    let pixel = (low.picture * params.low_h + row - D) * params.low_w + col - D;
    let before = (row < D) | (col < D);
    let outside = (m >= M) | (k >= K) | before | (row >= params.low_h + D) | (col >= params.low_w + D);
    return left_at((pixel * params.low_c + k % params.low_c) / 4u, outside); // x[n, row - d, col - d, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let tap = k / params.low_c;
    let ky = LAST_TAP - (params.stride - 1u) * (plane / params.stride) - params.stride * (tap / T);
    let kx = LAST_TAP - (params.stride - 1u) * (plane % params.stride) - params.stride * (tap % T);
    let o = k % params.low_c;
    let outside = (n >= N) | (k >= K);
    return right_at(((o * TAPS + ky * params.kernel + kx) * N + n) / 4u, outside); // weight[o, ky, kx, c..c+3]
}

// the first row of x misses the first d - py rows of taps, the last row the last T - 1 - d + py
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let parity = plane / params.stride;
    let before = (D - min(D, parity)) * (K / T);
    let behind = (T - 1u + parity - D) * (K / T);
    return Range(select(0u, before, in_first_row(rows)), select(K, K - behind, in_last_row(rows)));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    let low = pixel_of(m);
    let row = params.stride * (low.picture * params.low_h + low.row) + plane / params.stride;
    let col = params.stride * low.col + plane % params.stride;
    return ((row * HIGH_W + col) * N + n) / 4u; // out[n, s i + py, s j + px, c..c+3]
}
