// Stores blocks from registers to workgroup memory for gemm_tile.wgsl: `begin` is the first row of
// one of the BUFFERS.

const TERMS_FIRST: bool = true;

var<workgroup> sh_a: array<vec4<f32>, BUFFERS * TILE_K * VEC4S_M>; // [BUFFERS, TILE_K, TILE_M]
var<workgroup> sh_b: array<vec4<f32>, BUFFERS * TILE_K * VEC4S_N>; // [BUFFERS, TILE_K, TILE_N]

fn stage_a(begin: u32, i: u32, block: Block) {
    if (is_block(i, BLOCKS_A)) {
        let position = block_of_a(i);
        let at = (begin + 4u * position.y) * VEC4S_M + position.x;
        sh_a[at] = block[0];
        sh_a[at + VEC4S_M] = block[1];
        sh_a[at + 2u * VEC4S_M] = block[2];
        sh_a[at + 3u * VEC4S_M] = block[3];
    }
}

fn stage_b(begin: u32, i: u32, block: Block) {
    if (is_block(i, BLOCKS_B)) {
        let position = block_of_b(i);
        let at = (begin + 4u * position.y) * VEC4S_N + position.x;
        sh_b[at] = block[0];
        sh_b[at + VEC4S_N] = block[1];
        sh_b[at + 2u * VEC4S_N] = block[2];
        sh_b[at + 3u * VEC4S_N] = block[3];
    }
}
