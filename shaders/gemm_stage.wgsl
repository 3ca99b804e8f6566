// The way of blocks from registers to workgroup memory, for gemm_tile.wgsl: put() into one of the BUFFERS.

var<workgroup> sh_a: array<vec4<f32>, BUFFERS * TILE_K * QUADS_M>; // [BUFFERS, TILE_K, TILE_M]
var<workgroup> sh_b: array<vec4<f32>, BUFFERS * TILE_K * QUADS_N>; // [BUFFERS, TILE_K, TILE_N]

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
