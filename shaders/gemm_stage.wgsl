// The way of a tile of A and of B from storage to workgroup memory, for gemm_tile.wgsl: fetch() into registers,
// put() into one of the BUFFERS. Every block is turned so that all rows or columns at one k are neighbours.
// An invocation takes at most two blocks of A and two of B.

var<workgroup> sh_a: array<vec4<f32>, BUFFERS * TILE_K * QUADS_M>; // [BUFFERS, TILE_K, TILE_M]
var<workgroup> sh_b: array<vec4<f32>, BUFFERS * TILE_K * QUADS_N>; // [BUFFERS, TILE_K, TILE_N]

// blocks on their way from storage to workgroup memory
struct Staged {
    a0: mat4x4<f32>,
    a1: mat4x4<f32>,
    b0: mat4x4<f32>,
    b1: mat4x4<f32>,
}

// quad along M and along K of block i: neighbours in memory go to neighbouring invocations
fn block_of_a(i: u32) -> vec2<u32> {
    if (A_ALONG_K) {
        return vec2<u32>(i / QUADS_K, i % QUADS_K);
    }
    return vec2<u32>(i % QUADS_M, i / QUADS_M);
}

fn block_of_b(i: u32) -> vec2<u32> {
    if (B_ALONG_K) {
        return vec2<u32>(i / QUADS_K, i % QUADS_K);
    }
    return vec2<u32>(i % QUADS_N, i / QUADS_N);
}

fn fetch_a(tile: Tile, k: u32, i: u32) -> mat4x4<f32> {
    if (i >= BLOCKS_A) {
        return mat4x4<f32>();
    }
    let quad = block_of_a(i);
    return block_a(tile.plane, tile.m + 4u * quad.x, k + 4u * quad.y);
}

fn fetch_b(tile: Tile, k: u32, i: u32) -> mat4x4<f32> {
    if (i >= BLOCKS_B) {
        return mat4x4<f32>();
    }
    let quad = block_of_b(i);
    return block_b(tile.plane, tile.n + 4u * quad.x, k + 4u * quad.y);
}

fn fetch(tile: Tile, thread: u32, k: u32) -> Staged {
    var next: Staged;
    next.a0 = fetch_a(tile, k, thread);
    next.b0 = fetch_b(tile, k, thread);
    if (BLOCKS_A > THREADS) {
        next.a1 = fetch_a(tile, k, thread + THREADS);
    }
    if (BLOCKS_B > THREADS) {
        next.b1 = fetch_b(tile, k, thread + THREADS);
    }
    return next;
}

fn put_a(buffer: u32, i: u32, block: mat4x4<f32>) {
    if (i < BLOCKS_A) {
        let quad = block_of_a(i);
        let at = (buffer * TILE_K + 4u * quad.y) * QUADS_M + quad.x;
        sh_a[at] = block[0];
        sh_a[at + QUADS_M] = block[1];
        sh_a[at + 2u * QUADS_M] = block[2];
        sh_a[at + 3u * QUADS_M] = block[3];
    }
}

fn put_b(buffer: u32, i: u32, block: mat4x4<f32>) {
    if (i < BLOCKS_B) {
        let quad = block_of_b(i);
        let at = (buffer * TILE_K + 4u * quad.y) * QUADS_N + quad.x;
        sh_b[at] = block[0];
        sh_b[at + QUADS_N] = block[1];
        sh_b[at + 2u * QUADS_N] = block[2];
        sh_b[at + 3u * QUADS_N] = block[3];
    }
}

fn put(buffer: u32, thread: u32, next: Staged) {
    put_a(buffer, thread, next.a0);
    put_b(buffer, thread, next.b0);
    if (BLOCKS_A > THREADS) {
        put_a(buffer, thread + THREADS, next.a1);
    }
    if (BLOCKS_B > THREADS) {
        put_b(buffer, thread + THREADS, next.b1);
    }
}
