// Loads a tile of A and of B from storage to registers in blocks of 4 x 4, for the cores with tiles in workgroup
// memory.
// Every block is transposed if needed, so that all rows or columns at one k are contiguous; an invocation loads at most
// two blocks of A and two of B. The core defines VEC4S_M, VEC4S_N, VEC4S_K, BLOCKS_A, BLOCKS_B and THREADS.

// blocks in registers, between storage and workgroup memory
struct Staged {
    a0: mat4x4<f32>,
    a1: mat4x4<f32>,
    b0: mat4x4<f32>,
    b1: mat4x4<f32>,
}

// position along M and along K of block i: consecutive invocations load consecutive memory
fn block_of_a(i: u32) -> vec2<u32> {
    if (A_K_MAJOR) {
        return vec2<u32>(i / VEC4S_K, i % VEC4S_K);
    }
    return vec2<u32>(i % VEC4S_M, i / VEC4S_M);
}

fn block_of_b(i: u32) -> vec2<u32> {
    if (B_K_MAJOR) {
        return vec2<u32>(i / VEC4S_K, i % VEC4S_K);
    }
    return vec2<u32>(i % VEC4S_N, i / VEC4S_N);
}

fn load_tile_a(tile: Tile, k: u32, i: u32) -> mat4x4<f32> {
    if (i >= BLOCKS_A) {
        return mat4x4<f32>();
    }
    let position = block_of_a(i);
    return block_a(tile.plane, tile.m + 4u * position.x, k + 4u * position.y);
}

fn load_tile_b(tile: Tile, k: u32, i: u32) -> mat4x4<f32> {
    if (i >= BLOCKS_B) {
        return mat4x4<f32>();
    }
    let position = block_of_b(i);
    return block_b(tile.plane, tile.n + 4u * position.x, k + 4u * position.y);
}

fn load_tile(tile: Tile, thread: u32, k: u32) -> Staged {
    var next: Staged;
    next.a0 = load_tile_a(tile, k, thread);
    next.b0 = load_tile_b(tile, k, thread);
    if (BLOCKS_A > THREADS) {
        next.a1 = load_tile_a(tile, k, thread + THREADS);
    }
    if (BLOCKS_B > THREADS) {
        next.b1 = load_tile_b(tile, k, thread + THREADS);
    }
    return next;
}
