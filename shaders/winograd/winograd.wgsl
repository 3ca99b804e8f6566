// Winograd F(2 x 2, 2 x 2) for convolutions with kernel 4 and stride 2: definitions shared by its kernels.
//
// Rows of one parity p of high, d[j] = high[2j - p], are multiplied by only two taps of a kernel of 4 at stride 2:
//   low[y] = sum over p of d[y] g[0] + d[y + 1] g[1],  g[t] = weight[2t + 1 - p]
// For two neighbours y, y + 1 that is four products, or three with three transformed values:
//   transform of d: d0 - d1, d1, d1 - d2    of g: g0, g0 + g1, g1    m = their products
//   low[y] = m0 + m1,  low[y + 1] = m1 - m2
// The transform is applied to rows and columns: 9 products for 2 x 2 pixels instead of 16. The transposed convolution
// and the weight gradient are the adjoints, with the transform of low in place of one of the others.
// Sources: Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for convolutional
// neural networks", 2016.

struct Params {
    batch: u32, // N
    low_h: u32, // H
    low_w: u32, // W
    low_c: u32, // C_low, a multiple of 4
    high_c: u32, // C_high, a multiple of 4
}

// tiles of 2 x 2 pixels of low
const TILES_Y: u32 = (params.low_h + 1u) / 2u;
const TILES_X: u32 = (params.low_w + 1u) / 2u;
const TILES: u32 = params.batch * TILES_Y * TILES_X;
const LOW: u32 = params.low_c / 4u; // vec4s of a pixel
const HIGH: u32 = params.high_c / 4u;

struct Tile {
    picture: u32,
    row: u32,
    col: u32,
}

fn tile_at(at: u32) -> Tile {
    let line = at / TILES_X;
    return Tile(line / TILES_Y, line % TILES_Y, at % TILES_X);
}

// row and column parity: 1 is odd, for items of [.., 2, 2, C_high]
fn parity_of(at: u32) -> vec2<u32> {
    return vec2<u32>(at / HIGH % 2u, at / HIGH / 2u % 2u);
}

// A kernel's file defines the number of ITEMS, and item(at), which processes one of them, a vec4 of channels.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at < ITEMS) {
        item(at);
    }
}
