// points[3i + j] of each tile of 2 x 2 pixels of low, as a factor: the adjoint of winograd_low_back; see winograd.wgsl.
// One invocation per tile and vec4 of channels.

@group(0) @binding(0) var<storage, read> low: array<vec4<f32>>; // [N, H, W, C_low]
@group(0) @binding(1) var<storage, read_write> points: array<vec4<f32>>; // [9, tiles, C_low]

const ITEMS: u32 = TILES * LOW;

fn pixel(tile: Tile, row: u32, col: u32, quad: u32) -> vec4<f32> {
    let y = 2u * tile.row + row;
    let x = 2u * tile.col + col;
    let outside = (y >= params.low_h) | (x >= params.low_w);
    let at = ((tile.image * params.low_h + y) * params.low_w + x) * LOW + quad;
    return select(low[select(at, 0u, outside)], vec4<f32>(0.0), outside);
}

fn spread(y: mat2x4<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(y[0], y[0] + y[1], -y[1]);
}

// points of row i
fn store_row(i: u32, at: u32, values: mat2x4<f32>) {
    let row = spread(values);
    points[3u * i * ITEMS + at] = row[0];
    points[(3u * i + 1u) * ITEMS + at] = row[1];
    points[(3u * i + 2u) * ITEMS + at] = row[2];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = item_at(workgroup, thread);
    if (at >= ITEMS) {
        return;
    }
    let tile = tile_at(at / LOW);
    let quad = at % LOW;
    let left = spread(mat2x4<f32>(pixel(tile, 0u, 0u, quad), pixel(tile, 1u, 0u, quad)));
    let right = spread(mat2x4<f32>(pixel(tile, 0u, 1u, quad), pixel(tile, 1u, 1u, quad)));
    store_row(0u, at, mat2x4<f32>(left[0], right[0]));
    store_row(1u, at, mat2x4<f32>(left[1], right[1]));
    store_row(2u, at, mat2x4<f32>(left[2], right[2]));
}
