// Inverse transform of the high side: its pixels from transformed tiles, the adjoint of winograd_high_transform.
// One invocation per tile, parity and vec4 of channels: four pixels. See winograd.wgsl.
//
// Tiles of 3 rows of one parity overlap by one row. Row 1 of a tile is its own, -m0 + m1 + m2. The overlapping row is
// m0 of the lower tile minus m2 of the upper one:
//   upper tile   row 0   row 1   row 2
//   lower tile                   row 0   row 1   row 2
// Tile t computes its row 1 and one overlapping row: the upper one for parity 0, and the lower one for parity 1, whose
// first row is outside the picture. Columns are treated likewise.

const ITEMS: u32 = TILES * 4u * HIGH;

fn point(i: u32, j: u32, at: u32, outside: bool) -> vec4<f32> {
    return source_at((3u * i + j) * ITEMS + at, outside);
}

// The neighbour of a tile among `tiles` along one axis: the previous one for parity 0, the next one for parity 1.
struct Neighbour {
    at: u32,
    outside: bool,
}

fn neighbour(at: u32, tile: u32, tiles: u32, parity: u32, stride: u32) -> Neighbour {
    if (parity == 0u) {
        return Neighbour(select(at - stride, at, tile == 0u), tile == 0u);
    }
    return Neighbour(select(at + stride, at, tile + 1u == tiles), tile + 1u == tiles);
}

// overlapping row: m0 of the lower tile, m2 of the upper one; one of the two is the neighbour
fn meeting(parity: u32, own0: vec4<f32>, own2: vec4<f32>, other: vec4<f32>) -> vec4<f32> {
    return select(other - own2, own0 - other, parity == 0u);
}

// overlapping row and row 1 of the transformed values in column j of the tile of item `at`
fn rows(j: u32, at: u32, above: u32, no_above: bool, parity: u32, outside: bool) -> mat2x4<f32> {
    let m0 = point(0u, j, at, outside);
    let m1 = point(1u, j, at, outside);
    let m2 = point(2u, j, at, outside);
    let other = point(select(0u, 2u, parity == 0u), j, above, outside | no_above);
    return mat2x4<f32>(meeting(parity, m0, m2, other), m1 + m2 - m0);
}

// row 2j - p of high for j = 2 tile + step
fn place(tile: u32, step: u32, parity: u32) -> u32 {
    return 2u * (2u * tile + step) - parity;
}

// two pixels of row y, from this row of the transforms of a tile's three columns and its neighbour's
fn store_row(tile: Tile, y: u32, parity: u32, c4: u32, bias: vec4<f32>, m: mat4x4<f32>) {
    let line = (tile.picture * 2u * params.low_h + y) * 2u * params.low_w;
    let meet = place(tile.col, 2u * parity, parity);
    if ((y < 2u * params.low_h) & (meet < 2u * params.low_w)) {
        epilogue((line + meet) * HIGH + c4, bias, meeting(parity, m[0], m[2], m[3]));
    }
    let inner = place(tile.col, 1u, parity);
    if ((y < 2u * params.low_h) & (inner < 2u * params.low_w)) {
        epilogue((line + inner) * HIGH + c4, bias, m[1] + m[2] - m[0]);
    }
}

fn item(at: u32) {
    let tile = tile_at(at / (4u * HIGH));
    let c4 = at % HIGH;
    let parity = parity_of(at);
    let below = neighbour(at, tile.row, TILES_Y, parity.y, TILES_X * 4u * HIGH);
    let beside = neighbour(at, tile.col, TILES_X, parity.x, 4u * HIGH);
    // the diagonal neighbour, which exists if both neighbours do
    let corner = select(below.at + beside.at - at, at, below.outside | beside.outside);

    let c0 = rows(0u, at, below.at, below.outside, parity.y, false);
    let c1 = rows(1u, at, below.at, below.outside, parity.y, false);
    let c2 = rows(2u, at, below.at, below.outside, parity.y, false);
    let j = select(0u, 2u, parity.x == 0u);
    let other = rows(j, beside.at, corner, below.outside, parity.y, beside.outside);
    let bias = bias_of(c4);
    store_row(tile, place(tile.row, 2u * parity.y, parity.y), parity.x, c4, bias, mat4x4<f32>(c0[0], c1[0], c2[0], other[0]));
    store_row(tile, place(tile.row, 1u, parity.y), parity.x, c4, bias, mat4x4<f32>(c0[1], c1[1], c2[1], other[1]));
}
