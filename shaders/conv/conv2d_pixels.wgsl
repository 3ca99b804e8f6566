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

// whether this row and column of high, both plus the padding, are in the padding
fn outside_high(row: u32, col: u32) -> bool {
    let above = (row < params.padding) | (col < params.padding);
    return above | (row >= HIGH_H + params.padding) | (col >= HIGH_W + params.padding);
}

// whether all of those pixels are in the first row of their pictures
fn in_first_row(pixels: Range) -> bool {
    return BY_ROWS & (pixels.end <= ROW);
}

fn in_last_row(pixels: Range) -> bool {
    return BY_ROWS & (pixels.begin >= PIXELS - ROW);
}
