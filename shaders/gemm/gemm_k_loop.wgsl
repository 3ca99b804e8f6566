// Multiplies a tile in workgroup memory row by row, in a loop, for gemm_tile.wgsl. The first row is `begin`.

fn multiply_tile(sums: ptr<function, Sums>, begin: u32, tm: u32, tn: u32) {
    for (var i = begin; i < begin + TILE_K; i += 1u) {
        multiply_row(sums, i, tm, tn);
    }
}
