// transformed[3i + j] of each tile of 2 x 2 pixels of the low side: the adjoint of winograd_low_inverse; see
// winograd.wgsl.
// One invocation per tile and vec4 of channels.

// source: low [N, H, W, C_low]

const ITEMS: u32 = TILES * LOW;

fn pixel(tile: Tile, row: u32, col: u32, c4: u32) -> vec4<f32> {
    let y = 2u * tile.row + row;
    let x = 2u * tile.col + col;
    let outside = (y >= params.low_h) | (x >= params.low_w);
    let at = ((tile.picture * params.low_h + y) * params.low_w + x) * LOW + c4;
    return source_at(at, outside);
}

fn spread(y: mat2x4<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(y[0], y[0] + y[1], -y[1]);
}

fn item(at: u32) {
    let tile = tile_at(at / LOW);
    let c4 = at % LOW;
    let left = spread(mat2x4<f32>(pixel(tile, 0u, 0u, c4), pixel(tile, 1u, 0u, c4)));
    let right = spread(mat2x4<f32>(pixel(tile, 0u, 1u, c4), pixel(tile, 1u, 1u, c4)));
    store_row(0u, at, spread(mat2x4<f32>(left[0], right[0])));
    store_row(1u, at, spread(mat2x4<f32>(left[1], right[1])));
    store_row(2u, at, spread(mat2x4<f32>(left[2], right[2])));
}
