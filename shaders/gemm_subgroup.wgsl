// C = A B by clusters of lanes: no workgroup memory, no barrier.
//
// Each of a cluster's LANES invocations, 4 or 8, owns COLUMNS quads of columns of B and C, and holds one 4 x 4
// block of A a turn, which it hands to the others: one load of A serves the whole cluster. For adapters whose
// memory loads cost far more than their arithmetic (software ones). A subgroup is one cluster
// (subgroup_broadcast.wgsl) or several (subgroup_shuffle.wgsl, any subgroup size that is a multiple of LANES);
// the CLUSTERS of a workgroup lie side by side along M.

const TURN: u32 = 4u * LANES; // rows of one turn
const TILE_M: u32 = TURN * TURNS * CLUSTERS;
const TILE_N: u32 = 4u * COLUMNS * LANES;
const TILE_K: u32 = 4u;

// lane of the subgroup where this invocation's cluster begins
var<private> first_lane: u32 = 0u;

// block s: column r is row 4s + r of a turn, this lane's four columns. Fields and not an array: an index that is
// not constant, even after the loop, would put the sums into memory.
struct Rows {
    r0: mat4x4<f32>, r1: mat4x4<f32>, r2: mat4x4<f32>, r3: mat4x4<f32>,
    r4: mat4x4<f32>, r5: mat4x4<f32>, r6: mat4x4<f32>, r7: mat4x4<f32>,
}

// a: rows of A along k, so that (columns of B at k..k+3) * (row of A) is a matrix product
fn multiply(c: ptr<function, Rows>, a: mat4x4<f32>, b: mat4x4<f32>) {
    (*c).r0 += b * lane0(a);
    (*c).r1 += b * lane1(a);
    (*c).r2 += b * lane2(a);
    (*c).r3 += b * lane3(a);
    if (LANES > 4u) {
        (*c).r4 += b * lane4(a);
        (*c).r5 += b * lane5(a);
        (*c).r6 += b * lane6(a);
        (*c).r7 += b * lane7(a);
    }
}

fn store_rows(tile: Tile, m: u32, n: u32, c: ptr<function, Rows>) {
    store_block(tile, m, n, (*c).r0);
    store_block(tile, m + 4u, n, (*c).r1);
    store_block(tile, m + 8u, n, (*c).r2);
    store_block(tile, m + 12u, n, (*c).r3);
    if (LANES > 4u) {
        store_block(tile, m + 16u, n, (*c).r4);
        store_block(tile, m + 20u, n, (*c).r5);
        store_block(tile, m + 24u, n, (*c).r6);
        store_block(tile, m + 28u, n, (*c).r7);
    }
}

@compute @workgroup_size(LANES * CLUSTERS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(subgroup_invocation_id) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let lane = invocation % LANES;
    first_lane = invocation - lane;
    let cluster = subgroup * (subgroup_size / LANES) + invocation / LANES;
    let m = tile.m + TURN * TURNS * cluster;
    let n0 = tile.n + 4u * lane;
    let n1 = n0 + 4u * LANES;
    // one per turn and quad of columns
    var c00: Rows;
    var c01: Rows;
    var c10: Rows;
    var c11: Rows;

    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        let a0 = transpose(block_a(tile.plane, m + 4u * lane, k));
        let b0 = block_b(tile.plane, n0, k);
        multiply(&c00, a0, b0);
        var b1: mat4x4<f32>;
        if (COLUMNS > 1u) {
            b1 = block_b(tile.plane, n1, k);
            multiply(&c01, a0, b1);
        }
        if (TURNS > 1u) {
            let a1 = transpose(block_a(tile.plane, m + TURN + 4u * lane, k));
            multiply(&c10, a1, b0);
            if (COLUMNS > 1u) {
                multiply(&c11, a1, b1);
            }
        }
    }

    store_rows(tile, m, n0, &c00);
    if (TURNS > 1u) {
        store_rows(tile, m + TURN, n0, &c10);
    }
    if (COLUMNS > 1u) {
        store_rows(tile, m, n1, &c01);
    }
    if ((TURNS > 1u) & (COLUMNS > 1u)) {
        store_rows(tile, m + TURN, n1, &c11);
    }
}
