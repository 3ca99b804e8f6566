// Stores blocks from registers to workgroup memory for gemm_cooperative.wgsl.

const TERMS_FIRST: bool = false;

// A lane of a fragment holds consecutive k of one row of A or one column of B on most GPUs. So k is contiguous in both tiles,
// and a lane loads its cells 128 bits at a time.
//
// stride of a row of A or a column of B, in cells; 8 cells of padding put them into different banks, aligned to 16 bytes
const STRIDE: u32 = TILE_K + 8u;

var<workgroup> sh_a: array<Cell, TILE_M * STRIDE>; // [TILE_M, TILE_K], padded
var<workgroup> sh_b: array<Cell, TILE_N * STRIDE>; // [TILE_N, TILE_K], padded

// four consecutive cells of a tile of A
fn cells_a(at: u32, cells: vec4<Cell>) {
    sh_a[at] = cells.x;
    sh_a[at + 1u] = cells.y;
    sh_a[at + 2u] = cells.z;
    sh_a[at + 3u] = cells.w;
}

fn cells_b(at: u32, cells: vec4<Cell>) {
    sh_b[at] = cells.x;
    sh_b[at + 1u] = cells.y;
    sh_b[at + 2u] = cells.z;
    sh_b[at + 3u] = cells.w;
}

fn stage_a(begin: u32, i: u32, block: Block) {
    if (is_block(i, BLOCKS_A)) {
        let position = block_of_a(i);
        let at = 4u * (position.x * STRIDE + position.y) + begin;
        cells_a(at, block[0]);
        cells_a(at + STRIDE, block[1]);
        cells_a(at + 2u * STRIDE, block[2]);
        cells_a(at + 3u * STRIDE, block[3]);
    }
}

fn stage_b(begin: u32, i: u32, block: Block) {
    if (is_block(i, BLOCKS_B)) {
        let position = block_of_b(i);
        let at = 4u * (position.x * STRIDE + position.y) + begin;
        cells_b(at, block[0]);
        cells_b(at + STRIDE, block[1]);
        cells_b(at + 2u * STRIDE, block[2]);
        cells_b(at + 3u * STRIDE, block[3]);
    }
}
