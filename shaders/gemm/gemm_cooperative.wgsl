// C = A B by cooperative matrices: fragments of EDGE x EDGE, held and multiplied by a whole subgroup.
//
// A workgroup is SUBGROUPS_M x SUBGROUPS_N subgroups; each accumulates BLOCKS_M x BLOCKS_N fragments of C in f32.
// Tiles of A and B are stored in workgroup memory in the fragments' element type; the next tile is loaded into
// registers before this one is multiplied. THREADS is SUBGROUPS_M * SUBGROUPS_N subgroups of the adapter's largest
// subgroup size; with smaller subgroups, the surplus ones repeat the work of others and store nothing.
// gemm_load_tile.wgsl loads, gemm_store_fragments.wgsl stores to workgroup memory, cooperative_8.wgsl or
// cooperative_16.wgsl defines the fragment types.

const TILE_M: u32 = EDGE * BLOCKS_M * SUBGROUPS_M;
const TILE_N: u32 = EDGE * BLOCKS_N * SUBGROUPS_N;
const VEC4S_M: u32 = TILE_M / 4u;
const VEC4S_N: u32 = TILE_N / 4u;
const VEC4S_K: u32 = TILE_K / 4u;
const BLOCKS_A: u32 = VEC4S_M * VEC4S_K; // in a tile of A
const BLOCKS_B: u32 = VEC4S_N * VEC4S_K;

var<workgroup> sh_c: array<f32, MAX_SUBGROUPS * EDGE * EDGE>; // one fragment per subgroup

// The part of the tile that a subgroup computes, and its place in sh_c.
struct Part {
    m: u32, // first row in the tile
    n: u32, // first column
    cells: u32, // offset of its fragment in sh_c
    lane: u32,
    lanes: u32,
    stores: bool,
}

// Copies the subgroup's fragment from sh_c to `out`: rows m.., columns n...
fn store_fragment(tile: Tile, part: Part, m: u32, n: u32) {
    workgroupBarrier(); // the whole fragment is written
    for (var i4 = part.lane; i4 < EDGE * EDGE / 4u; i4 += part.lanes) {
        let at = part.cells + 4u * i4;
        let row = vec4<f32>(sh_c[at], sh_c[at + 1u], sh_c[at + 2u], sh_c[at + 3u]);
        let at_m = tile.m + m + 4u * i4 / EDGE;
        let at_n = tile.n + n + 4u * i4 % EDGE;
        if (part.stores & in_bounds(tile, at_m, at_n)) {
            store_row(tile, at_m, at_n, bias_of(at_n / 4u), row);
        }
    }
    workgroupBarrier(); // the whole fragment is read
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let which = subgroup % (SUBGROUPS_M * SUBGROUPS_N);
    let part = Part(
        (which / SUBGROUPS_N) * BLOCKS_M * EDGE,
        (which % SUBGROUPS_N) * BLOCKS_N * EDGE,
        subgroup * EDGE * EDGE,
        lane,
        lanes,
        subgroup < SUBGROUPS_M * SUBGROUPS_N,
    );
    let m1 = part.m + EDGE;
    let n1 = part.n + EDGE;

    // WGSL fragments have no constructor that every back end supports, so zeros are loaded
    for (var i = thread; i < MAX_SUBGROUPS * EDGE * EDGE; i += THREADS) {
        sh_c[i] = 0.0;
    }
    workgroupBarrier();
    var c00 = coopLoadT<FragmentC>(&sh_c[part.cells], EDGE);
    var c01 = c00;
    var c10 = c00;
    var c11 = c00;

    var next = load_tile(tile, thread, tile.k_begin);
    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        workgroupBarrier(); // all invocations have read the previous tile
        stage(thread, next);
        workgroupBarrier();
        if (k + TILE_K < tile.k_end) {
            next = load_tile(tile, thread, k + TILE_K);
        }
        for (var i = 0u; i < TILE_K; i += EDGE) {
            let a0 = coopLoad<FragmentA>(&sh_a[i * STRIDE_A + part.m], STRIDE_A); // column-major
            let b0 = coopLoadT<FragmentB>(&sh_b[i * STRIDE_B + part.n], STRIDE_B); // row-major
            c00 = coopMultiplyAdd(a0, b0, c00);
            if (BLOCKS_M > 1u) {
                let a1 = coopLoad<FragmentA>(&sh_a[i * STRIDE_A + m1], STRIDE_A);
                c10 = coopMultiplyAdd(a1, b0, c10);
                if (BLOCKS_N > 1u) {
                    let b1 = coopLoadT<FragmentB>(&sh_b[i * STRIDE_B + n1], STRIDE_B);
                    c01 = coopMultiplyAdd(a0, b1, c01);
                    c11 = coopMultiplyAdd(a1, b1, c11);
                }
            }
        }
    }

    coopStoreT(c00, &sh_c[part.cells], EDGE);
    store_fragment(tile, part, part.m, part.n);
    if (BLOCKS_M > 1u) {
        coopStoreT(c10, &sh_c[part.cells], EDGE);
        store_fragment(tile, part, m1, part.n);
    }
    if (BLOCKS_N > 1u) {
        coopStoreT(c01, &sh_c[part.cells], EDGE);
        store_fragment(tile, part, part.m, n1);
        coopStoreT(c11, &sh_c[part.cells], EDGE);
        store_fragment(tile, part, m1, n1);
    }
}
