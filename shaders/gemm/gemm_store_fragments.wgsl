// Stores blocks from registers to workgroup memory for gemm_cooperative.wgsl, as the fragments' element type (Cell).
// With f16 cells, wider values are rounded here.

// stride in k, in cells; 8 cells of padding put rows into different banks, aligned to 16 bytes
const STRIDE_A: u32 = TILE_M + 8u;
const STRIDE_B: u32 = TILE_N + 8u;

var<workgroup> sh_a: array<Cell, TILE_K * STRIDE_A>; // [TILE_K, TILE_M], padded
var<workgroup> sh_b: array<Cell, TILE_K * STRIDE_B>; // [TILE_K, TILE_N], padded

// four consecutive cells of a tile of A
fn cells_a(at: u32, values: vec4<f32>) {
    let cells = vec4<Cell>(values);
    sh_a[at] = cells.x;
    sh_a[at + 1u] = cells.y;
    sh_a[at + 2u] = cells.z;
    sh_a[at + 3u] = cells.w;
}

fn cells_b(at: u32, values: vec4<f32>) {
    let cells = vec4<Cell>(values);
    sh_b[at] = cells.x;
    sh_b[at + 1u] = cells.y;
    sh_b[at + 2u] = cells.z;
    sh_b[at + 3u] = cells.w;
}

fn stage_a(i: u32, block: mat4x4<f32>) {
    if (i < BLOCKS_A) {
        let position = block_of_a(i);
        let at = 4u * (position.y * STRIDE_A + position.x);
        cells_a(at, block[0]);
        cells_a(at + STRIDE_A, block[1]);
        cells_a(at + 2u * STRIDE_A, block[2]);
        cells_a(at + 3u * STRIDE_A, block[3]);
    }
}

fn stage_b(i: u32, block: mat4x4<f32>) {
    if (i < BLOCKS_B) {
        let position = block_of_b(i);
        let at = 4u * (position.y * STRIDE_B + position.x);
        cells_b(at, block[0]);
        cells_b(at + STRIDE_B, block[1]);
        cells_b(at + 2u * STRIDE_B, block[2]);
        cells_b(at + 3u * STRIDE_B, block[3]);
    }
}

fn stage(thread: u32, next: Staged) {
    stage_a(thread, next.a0);
    stage_b(thread, next.b0);
    if (BLOCKS_A > THREADS) {
        stage_a(thread + THREADS, next.a1);
    }
    if (BLOCKS_B > THREADS) {
        stage_b(thread + THREADS, next.b1);
    }
}
