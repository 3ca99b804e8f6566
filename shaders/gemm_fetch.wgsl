// The way of a tile of A and of B from storage to registers, in blocks of 4 x 4, for the cores that keep tiles in
// workgroup memory. Every block is turned so that all rows or columns at one k are neighbours; an invocation takes
// at most two blocks of A and two of B. The core gives QUADS_M, QUADS_N, QUADS_K, BLOCKS_A, BLOCKS_B and THREADS.

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
