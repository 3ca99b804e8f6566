// Matrix product C = A B: the interface shared by all cores and all ops.
//
// PLANES independent products of M x K by K x N run in one dispatch; the sum over K is divided into SPLITS parts
// (split-K). The host sets A_K_MAJOR and B_K_MAJOR. An op's file, with a file that it shares with its gradients, defines the sizes
// and:
//   locate_a(plane, m, k) -> BlockA  what does not change along K of a 4 x 4 block of A from row m on, at term k of a tile
//   load_a(a, k, i)         four elements of that block in the tile from term k on, zero outside: if A_K_MAJOR, along k in row
//                           m + i, otherwise along m at term i
//   locate_b(plane, n, k) -> BlockB, load_b(b, k, i)  the same for B, by columns n
//   k_range(plane, rows, columns)  the range of k outside which all products of those rows and columns are zero; it
//                           may be empty. A core may continue to the next multiple of TILE_K, so loads must return zeros
//   store_index(plane, m, n)   the vec4 index in `out` of row m, columns n..n+3
// m and n are multiples of 4; term k of a tile is a multiple of 4 below TILE_K, and a tile begins at a multiple of TILE_K.
// What depends on that beginning alone is the same for all invocations.
// gemm_buffers or gemm_textures binds the factors, and defines left_at and right_at to load them.
// A core's file (gemm_tile, gemm_direct, gemm_subgroup, gemm_cooperative) defines TILE_M, TILE_N, TILE_K and main.

const TILES_M: u32 = (M + TILE_M - 1u) / TILE_M;
const TILES_N: u32 = (N + TILE_N - 1u) / TILE_N;

// half-open range: end is excluded
struct Range {
    begin: u32,
    end: u32,
}

struct Tile {
    plane: u32,
    split: u32,
    m: u32, // first row
    n: u32, // first column
    k_begin: u32,
    k_end: u32,
}

// Consecutive workgroups share rows of A. A workgroup beyond the last tile gets an empty one, out of range.
fn tile_of(group: u32) -> Tile {
    let n = (group % TILES_N) * TILE_N;
    let m = ((group / TILES_N) % TILES_M) * TILE_M;
    let part = group / (TILES_N * TILES_M);
    let split = part % SPLITS;
    let plane = part / SPLITS;
    let within = k_range(plane, Range(m, min(M, m + TILE_M)), Range(n, min(N, n + TILE_N)));
    // starts at a multiple of TILE_K, as every split does, so blocks of 4 are aligned and no split exceeds its end
    let first = split * K_PER_SPLIT;
    let k_begin = select(K, max(first, within.begin / TILE_K * TILE_K), plane < PLANES);
    return Tile(plane, split, m, n, k_begin, min(within.end, first + K_PER_SPLIT));
}

// Whether row m of A and term k are outside. Nothing is if tiles cover C and the sum exactly: then no load is tested.
fn outside_a(m: u32, k: u32) -> bool {
    return ((M % TILE_M != 0u) & (m >= M)) | ((K % TILE_K != 0u) & (k >= K));
}

// whether column n of B and term k are outside
fn outside_b(n: u32, k: u32) -> bool {
    return ((N % TILE_N != 0u) & (n >= N)) | ((K % TILE_K != 0u) & (k >= K));
}

// 4 x 4 elements of a factor in registers
alias Block = mat4x4<Cell>;

// column i of the result: rows m..m+3 of A at term i of the block
fn block_a(a: BlockA, k: u32) -> Block {
    let block = Block(load_a(a, k, 0u), load_a(a, k, 1u), load_a(a, k, 2u), load_a(a, k, 3u));
    if (A_K_MAJOR) {
        return transpose(block);
    }
    return block;
}

// column i of the result: columns n..n+3 of B at term i of the block
fn block_b(b: BlockB, k: u32) -> Block {
    let block = Block(load_b(b, k, 0u), load_b(b, k, 1u), load_b(b, k, 2u), load_b(b, k, 3u));
    if (B_K_MAJOR) {
        return transpose(block);
    }
    return block;
}

// whether row m, columns n..n+3 are within C: edge tiles extend beyond it
fn in_bounds(tile: Tile, m: u32, n: u32) -> bool {
    return (m < M) & (n < N) & (tile.plane < PLANES);
}

// the bias of columns n..n+3, clamped to the last ones
fn bias_of_columns(n: u32) -> vec4<f32> {
    return bias_of(min(n, N - 4u) / 4u);
}

// stores one row of four columns of C
fn store_row(tile: Tile, m: u32, n: u32, bias: vec4<f32>, sum: vec4<f32>) {
    let at = store_index(tile.plane, m, n);
    if (SPLITS > 1u) {
        out[tile.split * (PLANES * M * N / 4u) + at] = packed(sum);
    } else {
        epilogue(at, bias, sum);
    }
}

// Column r of the block is row m + r of C, m a multiple of 4. If M is a multiple of 4, a block is entirely in or out of
// bounds, and one test covers its rows.
fn store_block(tile: Tile, m: u32, n: u32, bias: vec4<f32>, block: mat4x4<f32>) {
    const WHOLE: bool = M % 4u == 0u;
    if (in_bounds(tile, m, n)) {
        store_row(tile, m, n, bias, block[0]);
        if (WHOLE | (m + 1u < M)) {
            store_row(tile, m + 1u, n, bias, block[1]);
        }
        if (WHOLE | (m + 2u < M)) {
            store_row(tile, m + 2u, n, bias, block[2]);
        }
        if (WHOLE | (m + 3u < M)) {
            store_row(tile, m + 3u, n, bias, block[3]);
        }
    }
}
