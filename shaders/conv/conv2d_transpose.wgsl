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

// whether the terms of a tile are channels of one tap
const WHOLE_TAPS: bool = params.low_c % TILE_K == 0u;

struct BlockA {
    // row and column of x of the first tap, which wrap around below zero, and its vec4
    row: u32,
    col: u32,
    at: u32,
    plane: u32,
    m: u32,
    k: u32,
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    let low = pixel_of(m);
    let row = low.row + plane / params.stride - D;
    let col = low.col + plane % params.stride - D;
    let pixel = (low.picture * params.low_h + row) * params.low_w + col;
    return BlockA(row, col, pixel * (params.low_c / 4u) + select(0u, k / 4u, WHOLE_TAPS), plane, m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    var first = a;
    var right = i;
    if (!GROUPED) {
        first = locate_a(a.plane, a.m + i, a.k);
        right = 0u;
    }
    let term = select(k + a.k, k, WHOLE_TAPS);
    let tap = term / params.low_c;
    let beyond = (first.row + tap / T >= params.low_h) | (first.col + tap % T + right >= params.low_w);
    let outside = outside_a(a.m + i, k + a.k) | (OVERLAPPING & beyond);
    let pixels = tap / T * params.low_w + tap % T + right;
    return left_at(first.at + pixels * (params.low_c / 4u) + term % params.low_c / 4u, outside);
}

struct BlockB {
    // vec4 of the weight at the tap and the channel of x that every term adds to
    at: u32,
    n: u32,
    k: u32,
}

fn locate_b(plane: u32, n: u32, k: u32) -> BlockB {
    let ky = LAST_TAP - (params.stride - 1u) * (plane / params.stride);
    let kx = LAST_TAP - (params.stride - 1u) * (plane % params.stride);
    let o = select(0u, k, WHOLE_TAPS);
    return BlockB((o * TAPS + ky * params.kernel + kx) * (N / 4u) + n / 4u, n, k);
}

fn load_b(b: BlockB, k: u32, i: u32) -> vec4<Cell> {
    let term = select(k + b.k, k, WHOLE_TAPS);
    let tap = term / params.low_c;
    let before = params.stride * (tap / T * params.kernel + tap % T); // it is that many taps before the last one
    let o = term % params.low_c + i;
    return right_at(b.at + (o * TAPS - before) * (N / 4u), outside_b(b.n, k + b.k + i)); // weight[o, ky, kx, c..c+3]
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
    return (row * HIGH_W + col) * (N / 4u) + n / 4u; // out[n, s i + py, s j + px, c..c+3]
}
