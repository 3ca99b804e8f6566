// What the kernels of convolutions share: sizes, the order of low's pixels, and which of a sum's terms are nothing.
//
// A product takes the N x H x W pixels of low row by row of the pictures, and in each row picture by picture, so that
// those along an upper or lower edge are neighbours: a tile that has no others leaves out the taps beyond the edge
// and need not multiply zeros. That is 1 in 2H of all taps, an eighth at H = 4.

struct Params {
    images: u32,
    low_h: u32,
    low_w: u32,
    low_c: u32, // C_low, a multiple of 4
    high_c: u32, // C_high, a multiple of 4
}

const ROW: u32 = params.images * params.low_w; // pixels of one row of all pictures
const PIXELS: u32 = ROW * params.low_h;

struct Pixel {
    image: u32,
    row: u32,
    col: u32,
}

// pixel `at` in that order
fn pixel_of(at: u32) -> Pixel {
    return Pixel((at / params.low_w) % params.images, at / ROW, at % params.low_w);
}

// where it lies in memory, [N, H, W]
fn index_of(low: Pixel) -> u32 {
    return (low.image * params.low_h + low.row) * params.low_w + low.col;
}
