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

// whether the terms of a tile are channels of one tap
const WHOLE_TAPS: bool = params.high_c % TILE_K == 0u;

struct BlockA {
    window: Window,
    m: u32,
    k: u32,
}

fn window_from(m: u32, k: u32) -> Window {
    var window = window_of(m);
    if (WHOLE_TAPS) {
        window.at += k / 4u;
    }
    return window;
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    return BlockA(window_from(m, k), m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    var window = a.window;
    var right = i;
    if (!GROUPED) {
        window = window_from(a.m + i, a.k);
        right = 0u;
    }
    let term = select(k + a.k, k, WHOLE_TAPS);
    let tap = tap_of(term / params.high_c);
    let outside = outside_a(a.m + i, k + a.k) | is_padding(window, tap, right);
    return left_at(index_in(window, tap, right) + term % params.high_c / 4u, outside);
}

struct BlockB {
    at: u32,
    n: u32,
    k: u32,
}

fn locate_b(plane: u32, n: u32, k: u32) -> BlockB {
    return BlockB(n * (K / 4u) + k / 4u, n, k);
}

fn load_b(b: BlockB, k: u32, i: u32) -> vec4<Cell> {
    return right_at(b.at + k / 4u + i * (K / 4u), outside_b(b.n + i, k + b.k)); // weight[o, ky, kx, c..c+3]
}

// the first row of out takes nothing through the first p rows of the kernel, the last nothing through the last p
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = params.padding * params.kernel * params.high_c;
    return Range(select(0u, taps, in_first_row(rows)), select(K, K - taps, in_last_row(rows)));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return index_of(m) * (N / 4u) + n / 4u;
}
