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

// whether the terms of a tile are pixels of one row
const WHOLE_ROWS: bool = params.low_w % TILE_K == 0u;
// whether they are neighbours in memory
const CONSECUTIVE: bool = WHOLE_ROWS | !BY_ROWS;

struct BlockA {
    at: u32,
    m: u32,
    k: u32,
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    return BlockA(m / 4u + select(0u, k, CONSECUTIVE) * (M / 4u), m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    var pixel: u32;
    if (CONSECUTIVE) {
        pixel = index_of(k) + i;
    } else if (GROUPED) {
        pixel = index_of(k + a.k) + i;
    } else {
        pixel = index_of(k + a.k + i);
    }
    return left_at(a.at + pixel * (M / 4u), outside_a(a.m, k + a.k + i)); // low[n, i, j, o..o+3]
}

struct BlockB {
    tap: Tap,
    channel: u32, // a vec4
    n: u32,
    k: u32,
}

fn locate_b(plane: u32, n: u32, k: u32) -> BlockB {
    var tap = tap_of(n / params.high_c);
    if (WHOLE_ROWS) {
        tap.col += params.stride * k;
    }
    return BlockB(tap, n % params.high_c / 4u, n, k);
}

fn load_b(b: BlockB, k: u32, i: u32) -> vec4<Cell> {
    var window: Window;
    var right = i;
    if (WHOLE_ROWS) {
        window = window_of(k);
    } else if (GROUPED) {
        window = window_of(k + b.k);
    } else {
        window = window_of(k + b.k + i);
        right = 0u;
    }
    let outside = outside_b(b.n, k + b.k + i) | is_padding(window, b.tap, right);
    return right_at(index_in(window, b.tap, right) + b.channel, outside); // high[n, row, col, c..c+3]
}

// through the first p rows of the kernel the first row of low adds nothing, through the last p its last row
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    let taps = params.padding * params.kernel * params.high_c;
    let first = BY_ROWS & (columns.end <= taps);
    let last = BY_ROWS & (columns.begin >= N - taps);
    return Range(select(0u, ROW, first), select(K, K - ROW, last));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return m * (N / 4u) + n / 4u;
}
