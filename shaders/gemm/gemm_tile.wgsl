// C = A B by workgroup tiles: the plain core of every convolution and linear layer.
//
// Each invocation accumulates BLOCKS_M x BLOCKS_N blocks of 4 x 4 elements of C. A workgroup advances along K, TILE_K
// at a time: it copies one tile of A and one of B into workgroup memory, with each 4 x 4 block transposed so that the
// inner loop reads four rows of A and four columns of B at one k as one vec4 each, and multiplies them. The next tile
// is loaded into registers before this one is multiplied, which hides the latency of memory; with two BUFFERS one
// barrier per tile is enough.
// THREADS_M, THREADS_N, BLOCKS_M, BLOCKS_N, TILE_K, BUFFERS and UNROLL come from the variant; the op's file defines A, B and
// C; gemm_load_tile.wgsl loads, gemm_store_tile.wgsl stores to workgroup memory, and gemm_multiply_tile.wgsl multiplies what
// is there.

const TILE_M: u32 = 4u * BLOCKS_M * THREADS_M;
const TILE_N: u32 = 4u * BLOCKS_N * THREADS_N;
const VEC4S_M: u32 = TILE_M / 4u;
const VEC4S_N: u32 = TILE_N / 4u;
const VEC4S_K: u32 = TILE_K / 4u;
const THREADS: u32 = THREADS_M * THREADS_N;
const BLOCKS_A: u32 = VEC4S_M * VEC4S_K; // in a tile of A
const BLOCKS_B: u32 = VEC4S_N * VEC4S_K;

// row r of the result is a[r] * b: four rows by four columns, one k
fn outer(c: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4<f32>(a.x), b, c[0]),
        fma(vec4<f32>(a.y), b, c[1]),
        fma(vec4<f32>(a.z), b, c[2]),
        fma(vec4<f32>(a.w), b, c[3]),
    );
}

// an invocation's blocks of C
struct Sums {
    c00: mat4x4<f32>,
    c01: mat4x4<f32>,
    c10: mat4x4<f32>,
    c11: mat4x4<f32>,
}

// adds the products of row i of the tiles in workgroup memory
fn multiply_row(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    let a0 = sh_a[i * VEC4S_M + tm];
    let b0 = sh_b[i * VEC4S_N + tn];
    (*sums).c00 = outer((*sums).c00, a0, b0);
    if (BLOCKS_N > 1u) {
        let b1 = sh_b[i * VEC4S_N + tn + THREADS_N];
        (*sums).c01 = outer((*sums).c01, a0, b1);
        if (BLOCKS_M > 1u) {
            (*sums).c11 = outer((*sums).c11, sh_a[i * VEC4S_M + tm + THREADS_M], b1);
        }
    }
    if (BLOCKS_M > 1u) {
        (*sums).c10 = outer((*sums).c10, sh_a[i * VEC4S_M + tm + THREADS_M], b0);
    }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = tile_of(workgroup.x + workgroup.y * GRID_X);
    let tm = thread / THREADS_N;
    let tn = thread % THREADS_N;
    var sums: Sums;

    let blocks = locate_blocks(tile, thread);
    var next = load_tile(blocks, thread, tile.k_begin);
    var buffer = 0u;
    for (var k = tile.k_begin; k < tile.k_end; k += TILE_K) {
        if (BUFFERS == 1u) {
            workgroupBarrier(); // all invocations have read the previous tile
        }
        stage(buffer * TILE_K, thread, next);
        workgroupBarrier();
        if (k + TILE_K < tile.k_end) {
            next = load_tile(blocks, thread, k + TILE_K);
        }
        multiply_tile(&sums, buffer * TILE_K, tm, tn);
        buffer = (buffer + 1u) % BUFFERS;
    }

    let m0 = tile.m + 4u * tm;
    let m1 = m0 + 4u * THREADS_M;
    let n0 = tile.n + 4u * tn;
    let n1 = n0 + 4u * THREADS_N;
    let bias0 = bias_of_columns(n0);
    store_block(tile, m0, n0, bias0, sums.c00);
    if (BLOCKS_M > 1u) {
        store_block(tile, m1, n0, bias0, sums.c10);
    }
    if (BLOCKS_N > 1u) {
        let bias1 = bias_of_columns(n1);
        store_block(tile, m0, n1, bias1, sums.c01);
        if (BLOCKS_M > 1u) {
            store_block(tile, m1, n1, bias1, sums.c11);
        }
    }
}
