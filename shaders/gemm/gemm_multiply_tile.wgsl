// Multiplies a tile in workgroup memory for gemm_tile.wgsl, UNROLL rows at a time: 1, 2, 4, 8, 16 or 32, a part of TILE_K.
//
// With all rows of a tile written out there is no loop. Drivers then see that every index is in its array, so naga's clamps
// vanish, and rows become offsets of the loads. The more rows are written out, the more loads a driver may move to the front,
// which needs registers.

fn multiply_rows(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_row(sums, i, tm, tn);
    if (UNROLL > 1u) {
        multiply_row(sums, i + 1u, tm, tn);
    }
    if (UNROLL > 2u) {
        multiply_row(sums, i + 2u, tm, tn);
        multiply_row(sums, i + 3u, tm, tn);
    }
    if (UNROLL > 4u) {
        multiply_row(sums, i + 4u, tm, tn);
        multiply_row(sums, i + 5u, tm, tn);
        multiply_row(sums, i + 6u, tm, tn);
        multiply_row(sums, i + 7u, tm, tn);
    }
    if (UNROLL > 8u) {
        multiply_row(sums, i + 8u, tm, tn);
        multiply_row(sums, i + 9u, tm, tn);
        multiply_row(sums, i + 10u, tm, tn);
        multiply_row(sums, i + 11u, tm, tn);
        multiply_row(sums, i + 12u, tm, tn);
        multiply_row(sums, i + 13u, tm, tn);
        multiply_row(sums, i + 14u, tm, tn);
        multiply_row(sums, i + 15u, tm, tn);
    }
    if (UNROLL > 16u) {
        multiply_row(sums, i + 16u, tm, tn);
        multiply_row(sums, i + 17u, tm, tn);
        multiply_row(sums, i + 18u, tm, tn);
        multiply_row(sums, i + 19u, tm, tn);
        multiply_row(sums, i + 20u, tm, tn);
        multiply_row(sums, i + 21u, tm, tn);
        multiply_row(sums, i + 22u, tm, tn);
        multiply_row(sums, i + 23u, tm, tn);
        multiply_row(sums, i + 24u, tm, tn);
        multiply_row(sums, i + 25u, tm, tn);
        multiply_row(sums, i + 26u, tm, tn);
        multiply_row(sums, i + 27u, tm, tn);
        multiply_row(sums, i + 28u, tm, tn);
        multiply_row(sums, i + 29u, tm, tn);
        multiply_row(sums, i + 30u, tm, tn);
        multiply_row(sums, i + 31u, tm, tn);
    }
}

// adds the products of the rows from `begin` on
fn multiply_tile(sums: ptr<function, Sums>, begin: u32, tm: u32, tn: u32) {
    if (UNROLL == TILE_K) {
        multiply_rows(sums, begin, tm, tn);
    } else {
        for (var i = begin; i < begin + TILE_K; i += UNROLL) {
            multiply_rows(sums, i, tm, tn);
        }
    }
}
