// Sizes of the convolution kernels, and the order in which their products take the pixels of the low side.
//
// Small pictures are taken row by row, and each row picture by picture, so that the pixels along an upper or lower edge
// are neighbours. A tile of such pixels skips the taps outside the picture instead of multiplying zeros. Large pictures
// are taken in memory order: they would save less, and sums over their pixels are faster that way.

struct Params {
    batch: u32,
    low_h: u32,
    low_w: u32,
    low_c: u32, // C_low, a multiple of 4
    high_c: u32, // C_high, a multiple of 4
    kernel: u32, // k
    stride: u32, // s
    padding: u32,
}

const TAPS: u32 = params.kernel * params.kernel;
const HIGH_H: u32 = params.stride * params.low_h;
const HIGH_W: u32 = params.stride * params.low_w;
const BY_ROWS: bool = params.low_h <= 8u;
const ROW: u32 = params.batch * params.low_w; // pixels of one row of all pictures
const PIXELS: u32 = ROW * params.low_h;

struct Pixel {
    picture: u32,
    row: u32,
    col: u32,
}

// whether four neighbours from a multiple of 4 on are in one row, so that they differ by constants
const GROUPED: bool = params.low_w % 4u == 0u;

// pixel `at` of a product
fn pixel_of(at: u32) -> Pixel {
    let line = at / params.low_w;
    let col = at % params.low_w;
    if (BY_ROWS) {
        return Pixel(line % params.batch, line / params.batch, col);
    }
    return Pixel(line / params.low_h, line % params.low_h, col);
}

// its index in memory, [N, H, W]
fn index_of(at: u32) -> u32 {
    if (BY_ROWS) {
        let low = pixel_of(at);
        return (low.picture * params.low_h + low.row) * params.low_w + low.col;
    }
    return at;
}

// the window of high that belongs to a pixel of low: row and column of its first tap, which wrap around below zero, and
// the vec4 of that tap's first channel
struct Window {
    row: u32,
    col: u32,
    at: u32,
}

fn window_of(pixel: u32) -> Window {
    let low = pixel_of(pixel);
    let row = params.stride * low.row - params.padding;
    let col = params.stride * low.col - params.padding;
    return Window(row, col, ((low.picture * HIGH_H + row) * HIGH_W + col) * (params.high_c / 4u));
}

// row and column in the kernel
struct Tap {
    row: u32,
    col: u32,
}

fn tap_of(index: u32) -> Tap {
    return Tap(index / params.kernel, index % params.kernel);
}

// the vec4 of a tap's first channel, in the window `right` pixels of low further to the right
fn index_in(window: Window, tap: Tap, right: u32) -> u32 {
    return window.at + (tap.row * HIGH_W + tap.col + params.stride * right) * (params.high_c / 4u);
}

// whether taps reach beyond their own pixel of low, and so beyond the edge of high
const OVERLAPPING: bool = params.kernel > params.stride;

// whether that tap is in the padding
fn is_padding(window: Window, tap: Tap, right: u32) -> bool {
    let beside = window.col + tap.col + params.stride * right >= HIGH_W;
    return OVERLAPPING & ((window.row + tap.row >= HIGH_H) | beside);
}

// whether all of those pixels are in the first row of their pictures
fn in_first_row(pixels: Range) -> bool {
    return BY_ROWS & (pixels.end <= ROW);
}

fn in_last_row(pixels: Range) -> bool {
    return BY_ROWS & (pixels.begin >= PIXELS - ROW);
}
