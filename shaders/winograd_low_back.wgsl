// The pixels of each tile of 2 x 2 of low from its points; see winograd.wgsl.
// One invocation per tile and vec4 of channels.

@group(0) @binding(0) var<storage, read> points: array<vec4<f32>>; // [9, tiles, C_low]
@group(0) @binding(1) var<storage, read> aux: array<vec4<Aux>>; // bias [C_low] or mask, as out
@group(0) @binding(2) var<storage, read_write> out: array<vec4<Out>>; // [N, H, W, C_low]

const ITEMS: u32 = TILES * LOW;

fn gather(m: mat3x4<f32>) -> mat2x4<f32> {
    return mat2x4<f32>(m[0] + m[1], m[1] - m[2]);
}

// points of column j
fn column(at: u32, j: u32) -> mat3x4<f32> {
    let first = j * ITEMS + at;
    return mat3x4<f32>(points[first], points[first + 3u * ITEMS], points[first + 6u * ITEMS]);
}

// two pixels of a tile's row
fn store_row(tile: Tile, row: u32, quad: u32, m: mat3x4<f32>) {
    let pixels = gather(m);
    let y = 2u * tile.row + row;
    let x = 2u * tile.col;
    let place = ((tile.image * params.low_h + y) * params.low_w + x) * LOW + quad;
    if (y < params.low_h) {
        finish(place, quad, pixels[0]);
    }
    if ((y < params.low_h) & (x + 1u < params.low_w)) {
        finish(place + LOW, quad, pixels[1]);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = item_at(workgroup, thread);
    if (at >= ITEMS) {
        return;
    }
    let tile = tile_at(at / LOW);
    let quad = at % LOW;
    let left = gather(column(at, 0u));
    let middle = gather(column(at, 1u));
    let right = gather(column(at, 2u));
    store_row(tile, 0u, quad, mat3x4<f32>(left[0], middle[0], right[0]));
    store_row(tile, 1u, quad, mat3x4<f32>(left[1], middle[1], right[1]));
}
