// transformed[3i + j] of each tile of 3 x 3 pixels of one parity of the high side; see winograd.wgsl.
// One invocation per tile, parity and vec4 of channels.

// source: high [N, 2H, 2W, C_high]

const ITEMS: u32 = TILES * 4u * HIGH;

// pixel `row`, `col` of a tile
fn pixel(tile: Tile, parity: vec2<u32>, row: u32, col: u32, c4: u32) -> vec4<f32> {
    let y = 2u * (2u * tile.row + row);
    let x = 2u * (2u * tile.col + col);
    let before = (y < parity.y) | (x < parity.x);
    let outside = before | (y >= 2u * params.low_h + parity.y) | (x >= 2u * params.low_w + parity.x);
    let at = (tile.picture * 2u * params.low_h + y - parity.y) * 2u * params.low_w + x - parity.x;
    return source_at(at * HIGH + c4, outside);
}

fn column(tile: Tile, parity: vec2<u32>, col: u32, c4: u32) -> mat3x4<f32> {
    return mat3x4<f32>(
        pixel(tile, parity, 0u, col, c4),
        pixel(tile, parity, 1u, col, c4),
        pixel(tile, parity, 2u, col, c4),
    );
}

fn spread(d: mat3x4<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(d[0] - d[1], d[1], d[1] - d[2]);
}

fn item(at: u32) {
    let tile = tile_at(at / (4u * HIGH));
    let c4 = at % HIGH;
    let parity = parity_of(at);
    let left = spread(column(tile, parity, 0u, c4));
    let middle = spread(column(tile, parity, 1u, c4));
    let right = spread(column(tile, parity, 2u, c4));
    store_row(0u, at, spread(mat3x4<f32>(left[0], middle[0], right[0])));
    store_row(1u, at, spread(mat3x4<f32>(left[1], middle[1], right[1])));
    store_row(2u, at, spread(mat3x4<f32>(left[2], middle[2], right[2])));
}
