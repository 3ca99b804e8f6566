// C = A B by one subgroup per tile: no workgroup memory, no barrier.
//
// Each of the LANES invocations owns four columns of B and C, and holds 4 x 4 blocks of A, which it hands
// to the others by subgroupBroadcast: one load of A serves the whole subgroup. For adapters whose memory
// loads cost far more than their arithmetic (software ones); needs subgroups of exactly LANES, 4 or 8.

const BLOCKS: u32 = LANES; // blocks of four rows in one turn: one per lane
const TILE_M: u32 = 8u * BLOCKS; // two turns
const TILE_N: u32 = 4u * LANES;
const TILE_K: u32 = 4u;

// lane s's block of A, seen by every lane: one function per lane, because WGSL wants the lane as a constant
fn lane0(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 0u), subgroupBroadcast(a[1], 0u),
        subgroupBroadcast(a[2], 0u), subgroupBroadcast(a[3], 0u));
}
fn lane1(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 1u), subgroupBroadcast(a[1], 1u),
        subgroupBroadcast(a[2], 1u), subgroupBroadcast(a[3], 1u));
}
fn lane2(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 2u), subgroupBroadcast(a[1], 2u),
        subgroupBroadcast(a[2], 2u), subgroupBroadcast(a[3], 2u));
}
fn lane3(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 3u), subgroupBroadcast(a[1], 3u),
        subgroupBroadcast(a[2], 3u), subgroupBroadcast(a[3], 3u));
}
fn lane4(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 4u), subgroupBroadcast(a[1], 4u),
        subgroupBroadcast(a[2], 4u), subgroupBroadcast(a[3], 4u));
}
fn lane5(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 5u), subgroupBroadcast(a[1], 5u),
        subgroupBroadcast(a[2], 5u), subgroupBroadcast(a[3], 5u));
}
fn lane6(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 6u), subgroupBroadcast(a[1], 6u),
        subgroupBroadcast(a[2], 6u), subgroupBroadcast(a[3], 6u));
}
fn lane7(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 7u), subgroupBroadcast(a[1], 7u),
        subgroupBroadcast(a[2], 7u), subgroupBroadcast(a[3], 7u));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let m0 = tile.m;
    let m1 = tile.m + 4u * BLOCKS;
    let n = tile.n + 4u * lane;
    // block [turn][s]: column r is row m + 4s + r of C, this lane's four columns
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c04 = mat4x4<f32>(); var c05 = mat4x4<f32>(); var c06 = mat4x4<f32>(); var c07 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c14 = mat4x4<f32>(); var c15 = mat4x4<f32>(); var c16 = mat4x4<f32>(); var c17 = mat4x4<f32>();

    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        // rows of A along k, so that (columns of B at k..k+3) * (row of A) is a matrix product
        let a0 = transpose(block_a(tile.plane, m0 + 4u * lane, k));
        let a1 = transpose(block_a(tile.plane, m1 + 4u * lane, k));
        let b = block_b(tile.plane, n, k);
        c00 += b * lane0(a0);
        c01 += b * lane1(a0);
        c02 += b * lane2(a0);
        c03 += b * lane3(a0);
        c10 += b * lane0(a1);
        c11 += b * lane1(a1);
        c12 += b * lane2(a1);
        c13 += b * lane3(a1);
        if (LANES > 4u) {
            c04 += b * lane4(a0);
            c05 += b * lane5(a0);
            c06 += b * lane6(a0);
            c07 += b * lane7(a0);
            c14 += b * lane4(a1);
            c15 += b * lane5(a1);
            c16 += b * lane6(a1);
            c17 += b * lane7(a1);
        }
    }

    store_block(tile, m0, n, c00);
    store_block(tile, m0 + 4u, n, c01);
    store_block(tile, m0 + 8u, n, c02);
    store_block(tile, m0 + 12u, n, c03);
    store_block(tile, m1, n, c10);
    store_block(tile, m1 + 4u, n, c11);
    store_block(tile, m1 + 8u, n, c12);
    store_block(tile, m1 + 12u, n, c13);
    if (LANES > 4u) {
        store_block(tile, m0 + 16u, n, c04);
        store_block(tile, m0 + 20u, n, c05);
        store_block(tile, m0 + 24u, n, c06);
        store_block(tile, m0 + 28u, n, c07);
        store_block(tile, m1 + 16u, n, c14);
        store_block(tile, m1 + 20u, n, c15);
        store_block(tile, m1 + 24u, n, c16);
        store_block(tile, m1 + 28u, n, c17);
    }
}
