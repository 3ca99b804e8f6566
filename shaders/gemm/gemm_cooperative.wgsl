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

const CELLS_C: u32 = EDGE * EDGE;

var<workgroup> sh_c: array<f32, SUBGROUPS_M * SUBGROUPS_N * CELLS_C>; // one fragment per subgroup that stores

// The part of the tile that a subgroup computes, and its place in sh_c.
struct Part {
    m: u32, // first row in the tile
    n: u32, // first column
    cells: u32, // offset of its fragment in sh_c
    lane: u32,
    lanes: u32,
    stores: bool,
}

// a subgroup's fragments of C
struct Sums {
    c00: FragmentC,
    c01: FragmentC,
    c10: FragmentC,
    c11: FragmentC,
}

// adds the products of terms i..i + EDGE of the tiles in workgroup memory
fn multiply_fragments(sums: ptr<function, Sums>, part: Part, i: u32) {
    let a0 = coopLoadT<FragmentA>(&sh_a[part.m * STRIDE + i], STRIDE); // row-major
    let b0 = coopLoad<FragmentB>(&sh_b[part.n * STRIDE + i], STRIDE); // column-major
    (*sums).c00 = coopMultiplyAdd(a0, b0, (*sums).c00);
    if (BLOCKS_M > 1u) {
        let a1 = coopLoadT<FragmentA>(&sh_a[(part.m + EDGE) * STRIDE + i], STRIDE);
        (*sums).c10 = coopMultiplyAdd(a1, b0, (*sums).c10);
        if (BLOCKS_N > 1u) {
            let b1 = coopLoad<FragmentB>(&sh_b[(part.n + EDGE) * STRIDE + i], STRIDE);
            (*sums).c01 = coopMultiplyAdd(a0, b1, (*sums).c01);
            (*sums).c11 = coopMultiplyAdd(a1, b1, (*sums).c11);
        }
    }
}

// Copies the subgroup's fragment from sh_c to `out`: rows m.., columns n...
fn store_fragment(tile: Tile, part: Part, m: u32, n: u32) {
    workgroupBarrier(); // the whole fragment is written
    for (var i4 = part.lane; i4 < CELLS_C / 4u; i4 += part.lanes) {
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
        which * CELLS_C,
        lane,
        lanes,
        subgroup < SUBGROUPS_M * SUBGROUPS_N,
    );
    let m1 = part.m + EDGE;
    let n1 = part.n + EDGE;

    // WGSL fragments have no constructor that every back end supports, so zeros are loaded
    for (var i = thread; i < CELLS_C; i += THREADS) {
        sh_c[i] = 0.0;
    }
    workgroupBarrier();
    let zero = coopLoadT<FragmentC>(&sh_c[0], EDGE);
    workgroupBarrier(); // with an empty sum, fragments are stored next
    var sums = Sums(zero, zero, zero, zero);

    let blocks = locate_blocks(tile, thread);
    var next = load_tile(blocks, thread, tile.k_begin);
    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        workgroupBarrier(); // all invocations have read the previous tile
        stage(0u, thread, next);
        workgroupBarrier();
        if (k + TILE_K < tile.k_end) {
            next = load_tile(blocks, thread, k + TILE_K);
        }
        multiply_fragments(&sums, part, 0u);
        if (TILE_K > EDGE) {
            multiply_fragments(&sums, part, EDGE);
        }
        if (TILE_K > 2u * EDGE) {
            multiply_fragments(&sums, part, 2u * EDGE);
            multiply_fragments(&sums, part, 3u * EDGE);
        }
    }

    if (part.stores) {
        coopStoreT(sums.c00, &sh_c[part.cells], EDGE);
    }
    store_fragment(tile, part, part.m, part.n);
    if (BLOCKS_M > 1u) {
        if (part.stores) {
            coopStoreT(sums.c10, &sh_c[part.cells], EDGE);
        }
        store_fragment(tile, part, m1, part.n);
    }
    if (BLOCKS_N > 1u) {
        if (part.stores) {
            coopStoreT(sums.c01, &sh_c[part.cells], EDGE);
        }
        store_fragment(tile, part, part.m, n1);
        if (part.stores) {
            coopStoreT(sums.c11, &sh_c[part.cells], EDGE);
        }
        store_fragment(tile, part, m1, n1);
    }
}
