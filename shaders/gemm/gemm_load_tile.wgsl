// Loads a tile of A and of B from storage to registers in blocks of 4 x 4, and from there to workgroup memory, for the cores
// with tiles there.
// Every block is transposed if needed: with TERMS_FIRST, a column of it has all rows or columns at one k, otherwise all terms
// of one row or column. An invocation loads at most two blocks of A and two of B; with one invocation for each block it
// loads one of either. The core defines VEC4S_M, VEC4S_N, VEC4S_K, BLOCKS_A, BLOCKS_B and THREADS, the file that stores
// the blocks TERMS_FIRST, stage_a and stage_b.

// the first invocations load a block of A each, the others one of B: neither waits for, nor keeps, both
const ONE_BLOCK: bool = BLOCKS_A + BLOCKS_B == THREADS;

// blocks in registers, between storage and workgroup memory
struct Staged {
    a0: Block,
    a1: Block,
    b0: Block,
    b1: Block,
}

// Position along M and along K of block i: consecutive invocations load consecutive memory. Both are reduced to what a tile
// has, so that drivers see that indices into workgroup memory need no clamp.
fn block_of_a(i: u32) -> vec2<u32> {
    if (A_K_MAJOR) {
        return vec2<u32>(i / VEC4S_K % VEC4S_M, i % VEC4S_K);
    }
    return vec2<u32>(i % VEC4S_M, i / VEC4S_M % VEC4S_K);
}

fn block_of_b(i: u32) -> vec2<u32> {
    if (B_K_MAJOR) {
        return vec2<u32>(i / VEC4S_K % VEC4S_N, i % VEC4S_K);
    }
    return vec2<u32>(i % VEC4S_N, i / VEC4S_N % VEC4S_K);
}

// the blocks that an invocation loads of every tile
struct Blocks {
    a0: BlockA,
    a1: BlockA,
    b0: BlockB,
    b1: BlockB,
}

fn locate_block_a(tile: Tile, i: u32) -> BlockA {
    let position = block_of_a(i);
    return locate_a(tile.plane, tile.m + 4u * position.x, 4u * position.y);
}

fn locate_block_b(tile: Tile, i: u32) -> BlockB {
    let position = block_of_b(i);
    return locate_b(tile.plane, tile.n + 4u * position.x, 4u * position.y);
}

fn locate_blocks(tile: Tile, thread: u32) -> Blocks {
    var all: Blocks;
    all.a0 = locate_block_a(tile, thread);
    if (ONE_BLOCK) {
        all.b0 = locate_block_b(tile, thread - BLOCKS_A);
    } else {
        all.b0 = locate_block_b(tile, thread);
    }
    if (BLOCKS_A > THREADS) {
        all.a1 = locate_block_a(tile, thread + THREADS);
    }
    if (BLOCKS_B > THREADS) {
        all.b1 = locate_block_b(tile, thread + THREADS);
    }
    return all;
}

// whether block i of `count` is there; it is known without i if all invocations have one
fn is_block(i: u32, count: u32) -> bool {
    return ONE_BLOCK | (count % THREADS == 0u) | (i < count);
}

fn load_block_a(a: BlockA, k: u32) -> Block {
    if (TERMS_FIRST) {
        return block_a(a, k);
    }
    return transpose(block_a(a, k));
}

fn load_block_b(b: BlockB, k: u32) -> Block {
    if (TERMS_FIRST) {
        return block_b(b, k);
    }
    return transpose(block_b(b, k));
}

// the tile from term k on
fn load_tile(blocks: Blocks, thread: u32, k: u32) -> Staged {
    var next: Staged;
    if (ONE_BLOCK) {
        if (thread < BLOCKS_A) {
            next.a0 = load_block_a(blocks.a0, k);
        } else {
            next.a0 = load_block_b(blocks.b0, k);
        }
        return next;
    }
    if (is_block(thread, BLOCKS_A)) {
        next.a0 = load_block_a(blocks.a0, k);
    }
    if (is_block(thread, BLOCKS_B)) {
        next.b0 = load_block_b(blocks.b0, k);
    }
    if (BLOCKS_A > THREADS) {
        if (is_block(thread + THREADS, BLOCKS_A)) {
            next.a1 = load_block_a(blocks.a1, k);
        }
    }
    if (BLOCKS_B > THREADS) {
        if (is_block(thread + THREADS, BLOCKS_B)) {
            next.b1 = load_block_b(blocks.b1, k);
        }
    }
    return next;
}

// stores the blocks in workgroup memory, from term `begin` on
fn stage(begin: u32, thread: u32, next: Staged) {
    if (ONE_BLOCK) {
        if (thread < BLOCKS_A) {
            stage_a(begin, thread, next.a0);
        } else {
            stage_b(begin, thread - BLOCKS_A, next.a0);
        }
        return;
    }
    stage_a(begin, thread, next.a0);
    stage_b(begin, thread, next.b0);
    if (BLOCKS_A > THREADS) {
        stage_a(begin, thread + THREADS, next.a1);
    }
    if (BLOCKS_B > THREADS) {
        stage_b(begin, thread + THREADS, next.b1);
    }
}
