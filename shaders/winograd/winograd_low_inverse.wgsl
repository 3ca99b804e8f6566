// Inverse transform of the low side: each tile of 2 x 2 pixels from its transformed values; see winograd.wgsl.
// One invocation per tile and vec4 of channels.

const ITEMS: u32 = TILES * LOW;

fn gather(m: mat3x4<f32>) -> mat2x4<f32> {
    return mat2x4<f32>(m[0] + m[1], m[1] - m[2]);
}

// two pixels of a tile's row
fn store_row(tile: Tile, row: u32, c4: u32, bias: vec4<f32>, m: mat3x4<f32>) {
    let pixels = gather(m);
    let y = 2u * tile.row + row;
    let x = 2u * tile.col;
    let place = ((tile.picture * params.low_h + y) * params.low_w + x) * LOW + c4;
    if (y < params.low_h) {
        epilogue(place, bias, pixels[0]);
    }
    if ((y < params.low_h) & (x + 1u < params.low_w)) {
        epilogue(place + LOW, bias, pixels[1]);
    }
}

fn item(at: u32) {
    let tile = tile_at(at / LOW);
    let c4 = at % LOW;
    let left = gather(column(at, 0u));
    let middle = gather(column(at, 1u));
    let right = gather(column(at, 2u));
    let bias = bias_of(c4);
    store_row(tile, 0u, c4, bias, mat3x4<f32>(left[0], middle[0], right[0]));
    store_row(tile, 1u, c4, bias, mat3x4<f32>(left[1], middle[1], right[1]));
}
