// C = A B by clusters of lanes: without workgroup memory and barriers.
//
// Each of a cluster's LANES invocations owns BLOCKS_N vec4s of columns of B and C. In each round it holds one 4 x 4
// block of A and broadcasts it to the others: one load of A serves the whole cluster. For adapters whose memory loads
// cost far more than their arithmetic (software adapters). A subgroup is one cluster (subgroup_broadcast.wgsl) or
// several (subgroup_shuffle.wgsl, any subgroup size that is a multiple of LANES); the CLUSTERS of a workgroup are
// adjacent along M.
//
// The blocks of A in a cluster form K_PARTS (1, 2 or 4) groups along K, of GROUP blocks along M each: more parts mean
// fewer rows, for products with small M.

const GROUP: u32 = LANES / K_PARTS;
const TURN: u32 = 4u * GROUP; // rows per round
const TILE_M: u32 = TURN * BLOCKS_M * CLUSTERS;
const TILE_N: u32 = 4u * BLOCKS_N * LANES;
const TILE_K: u32 = 4u * K_PARTS;

// first lane of this invocation's cluster in the subgroup
var<private> first_lane: u32 = 0u;

// Block s: column r is row 4s + r of a round, in this lane's four columns. Only constant indices (after unrolling) keep
// the sums in registers.
alias Rows = array<mat4x4<f32>, 16>;
// B at k..k+3 for each K part
alias Parts = array<mat4x4<f32>, 4>;

fn parts_of_b(plane: u32, n: u32, k: u32) -> Parts {
    var b: Parts;
    b[0] = block_b(locate_b(plane, n, 0u), k);
    if (K_PARTS > 1u) {
        b[1] = block_b(locate_b(plane, n, 4u), k);
    }
    if (K_PARTS > 2u) {
        b[2] = block_b(locate_b(plane, n, 8u), k);
        b[3] = block_b(locate_b(plane, n, 12u), k);
    }
    return b;
}

// a: rows of A along k, so that (columns of B at k..k+3) * (row of A) is a matrix product
fn multiply(c: ptr<function, Rows>, a: mat4x4<f32>, b: ptr<function, Parts>) {
    (*c)[0u % GROUP] += (*b)[0u / GROUP % K_PARTS] * lane0(a);
    (*c)[1u % GROUP] += (*b)[1u / GROUP % K_PARTS] * lane1(a);
    (*c)[2u % GROUP] += (*b)[2u / GROUP % K_PARTS] * lane2(a);
    (*c)[3u % GROUP] += (*b)[3u / GROUP % K_PARTS] * lane3(a);
    if (LANES > 4u) {
        (*c)[4u % GROUP] += (*b)[4u / GROUP % K_PARTS] * lane4(a);
        (*c)[5u % GROUP] += (*b)[5u / GROUP % K_PARTS] * lane5(a);
        (*c)[6u % GROUP] += (*b)[6u / GROUP % K_PARTS] * lane6(a);
        (*c)[7u % GROUP] += (*b)[7u / GROUP % K_PARTS] * lane7(a);
    }
    if (LANES > 8u) {
        (*c)[8u % GROUP] += (*b)[8u / GROUP % K_PARTS] * lane8(a);
        (*c)[9u % GROUP] += (*b)[9u / GROUP % K_PARTS] * lane9(a);
        (*c)[10u % GROUP] += (*b)[10u / GROUP % K_PARTS] * lane10(a);
        (*c)[11u % GROUP] += (*b)[11u / GROUP % K_PARTS] * lane11(a);
        (*c)[12u % GROUP] += (*b)[12u / GROUP % K_PARTS] * lane12(a);
        (*c)[13u % GROUP] += (*b)[13u / GROUP % K_PARTS] * lane13(a);
        (*c)[14u % GROUP] += (*b)[14u / GROUP % K_PARTS] * lane14(a);
        (*c)[15u % GROUP] += (*b)[15u / GROUP % K_PARTS] * lane15(a);
    }
}

fn store_rows(tile: Tile, m: u32, n: u32, bias: vec4<f32>, c: ptr<function, Rows>) {
    store_block(tile, m, n, bias, (*c)[0]);
    if (GROUP > 1u) {
        store_block(tile, m + 4u, n, bias, (*c)[1]);
    }
    if (GROUP > 2u) {
        store_block(tile, m + 8u, n, bias, (*c)[2]);
        store_block(tile, m + 12u, n, bias, (*c)[3]);
    }
    if (GROUP > 4u) {
        store_block(tile, m + 16u, n, bias, (*c)[4]);
        store_block(tile, m + 20u, n, bias, (*c)[5]);
        store_block(tile, m + 24u, n, bias, (*c)[6]);
        store_block(tile, m + 28u, n, bias, (*c)[7]);
    }
    if (GROUP > 8u) {
        store_block(tile, m + 32u, n, bias, (*c)[8]);
        store_block(tile, m + 36u, n, bias, (*c)[9]);
        store_block(tile, m + 40u, n, bias, (*c)[10]);
        store_block(tile, m + 44u, n, bias, (*c)[11]);
        store_block(tile, m + 48u, n, bias, (*c)[12]);
        store_block(tile, m + 52u, n, bias, (*c)[13]);
        store_block(tile, m + 56u, n, bias, (*c)[14]);
        store_block(tile, m + 60u, n, bias, (*c)[15]);
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
    let m = tile.m + TURN * BLOCKS_M * cluster;
    let n0 = tile.n + 4u * lane;
    let n1 = n0 + 4u * LANES;
    // one per round and vec4 of columns
    var c00: Rows;
    var c01: Rows;
    var c10: Rows;
    var c11: Rows;

    let row = m + 4u * (lane % GROUP);
    let term = 4u * (lane / GROUP);
    let rows0 = locate_a(tile.plane, row, term);
    let rows1 = locate_a(tile.plane, row + TURN, term);
    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        let a0 = transpose(block_a(rows0, k));
        var b0 = parts_of_b(tile.plane, n0, k);
        multiply(&c00, a0, &b0);
        var b1: Parts;
        if (BLOCKS_N > 1u) {
            b1 = parts_of_b(tile.plane, n1, k);
            multiply(&c01, a0, &b1);
        }
        if (BLOCKS_M > 1u) {
            let a1 = transpose(block_a(rows1, k));
            multiply(&c10, a1, &b0);
            if (BLOCKS_N > 1u) {
                multiply(&c11, a1, &b1);
            }
        }
    }

    let bias0 = bias_of_columns(n0);
    store_rows(tile, m, n0, bias0, &c00);
    if (BLOCKS_M > 1u) {
        store_rows(tile, m + TURN, n0, bias0, &c10);
    }
    if (BLOCKS_N > 1u) {
        let bias1 = bias_of_columns(n1);
        store_rows(tile, m, n1, bias1, &c01);
        if (BLOCKS_M > 1u) {
            store_rows(tile, m + TURN, n1, bias1, &c11);
        }
    }
}
