// C = A B without workgroup memory, barriers or subgroups: each invocation loads its own rows and columns.
//
// Each invocation accumulates 8 x 4 * BLOCKS_N elements of C and loads all of A and B that they need; neighbours that
// load the same vec4 get it from the cache. For adapters whose workgroup memory is no faster than a cache, and for
// products too small to share loads.

const TILE_M: u32 = 8u * THREADS_M;
const TILE_N: u32 = 4u * BLOCKS_N * THREADS_N;
const TILE_K: u32 = 4u;
const THREADS: u32 = THREADS_M * THREADS_N;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let m0 = tile.m + 4u * (thread / THREADS_N);
    let m1 = m0 + 4u * THREADS_M;
    let n0 = tile.n + 4u * (thread % THREADS_N);
    let n1 = n0 + 4u * THREADS_N;
    let rows0 = locate_a(tile.plane, m0, 0u);
    let rows1 = locate_a(tile.plane, m1, 0u);
    let columns0 = locate_b(tile.plane, n0, 0u);
    let columns1 = locate_b(tile.plane, n1, 0u);
    // column r of a block is row m + r of C
    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        // rows of A along k, so that (columns of B at k..k+3) * (row of A) is a matrix product
        let a0 = transpose(block_a(rows0, k));
        let a1 = transpose(block_a(rows1, k));
        let b0 = block_b(columns0, k);
        c00 += b0 * a0;
        c10 += b0 * a1;
        if (BLOCKS_N > 1u) {
            let b1 = block_b(columns1, k);
            c01 += b1 * a0;
            c11 += b1 * a1;
        }
    }
    let bias0 = bias_of_columns(n0);
    store_block(tile, m0, n0, bias0, c00);
    store_block(tile, m1, n0, bias0, c10);
    if (BLOCKS_N > 1u) {
        let bias1 = bias_of_columns(n1);
        store_block(tile, m0, n1, bias1, c01);
        store_block(tile, m1, n1, bias1, c11);
    }
}
