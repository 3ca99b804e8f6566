// Multiplies a tile in workgroup memory row by row, every row written out, for gemm_tile.wgsl. The first row is `begin`.
// A constant row lets drivers prove that the index is in the array, so naga's clamp of it vanishes, and put the row into
// the offset of the load. TILE_K is 8, 16 or 32.

fn multiply_tile(sums: ptr<function, Sums>, begin: u32, tm: u32, tn: u32) {
    multiply_row(sums, begin + 0u, tm, tn);
    multiply_row(sums, begin + 1u, tm, tn);
    multiply_row(sums, begin + 2u, tm, tn);
    multiply_row(sums, begin + 3u, tm, tn);
    multiply_row(sums, begin + 4u, tm, tn);
    multiply_row(sums, begin + 5u, tm, tn);
    multiply_row(sums, begin + 6u, tm, tn);
    multiply_row(sums, begin + 7u, tm, tn);
    if (TILE_K > 8u) {
        multiply_row(sums, begin + 8u, tm, tn);
        multiply_row(sums, begin + 9u, tm, tn);
        multiply_row(sums, begin + 10u, tm, tn);
        multiply_row(sums, begin + 11u, tm, tn);
        multiply_row(sums, begin + 12u, tm, tn);
        multiply_row(sums, begin + 13u, tm, tn);
        multiply_row(sums, begin + 14u, tm, tn);
        multiply_row(sums, begin + 15u, tm, tn);
    }
    if (TILE_K > 16u) {
        multiply_row(sums, begin + 16u, tm, tn);
        multiply_row(sums, begin + 17u, tm, tn);
        multiply_row(sums, begin + 18u, tm, tn);
        multiply_row(sums, begin + 19u, tm, tn);
        multiply_row(sums, begin + 20u, tm, tn);
        multiply_row(sums, begin + 21u, tm, tn);
        multiply_row(sums, begin + 22u, tm, tn);
        multiply_row(sums, begin + 23u, tm, tn);
        multiply_row(sums, begin + 24u, tm, tn);
        multiply_row(sums, begin + 25u, tm, tn);
        multiply_row(sums, begin + 26u, tm, tn);
        multiply_row(sums, begin + 27u, tm, tn);
        multiply_row(sums, begin + 28u, tm, tn);
        multiply_row(sums, begin + 29u, tm, tn);
        multiply_row(sums, begin + 30u, tm, tn);
        multiply_row(sums, begin + 31u, tm, tn);
    }
}
