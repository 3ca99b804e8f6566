// Multiplies a tile in workgroup memory for gemm_tile.wgsl, UNROLL rows at a time: 1, 2, 4, 8, 16 or 32, a part of TILE_K.
//
// With all rows of a tile written out there is no loop. Drivers then see that every index is in its array, so naga's clamps
// vanish, and rows become offsets of the loads. The more rows are written out, the more loads a driver may move to the front,
// which needs registers.

fn multiply_2(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_row(sums, i, tm, tn);
    multiply_row(sums, i + 1u, tm, tn);
}

fn multiply_4(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_2(sums, i, tm, tn);
    multiply_2(sums, i + 2u, tm, tn);
}

fn multiply_8(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_4(sums, i, tm, tn);
    multiply_4(sums, i + 4u, tm, tn);
}

fn multiply_16(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_8(sums, i, tm, tn);
    multiply_8(sums, i + 8u, tm, tn);
}

fn multiply_32(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    multiply_16(sums, i, tm, tn);
    multiply_16(sums, i + 16u, tm, tn);
}

fn multiply_rows(sums: ptr<function, Sums>, i: u32, tm: u32, tn: u32) {
    if (UNROLL == 32u) {
        multiply_32(sums, i, tm, tn);
    } else if (UNROLL == 16u) {
        multiply_16(sums, i, tm, tn);
    } else if (UNROLL == 8u) {
        multiply_8(sums, i, tm, tn);
    } else if (UNROLL == 4u) {
        multiply_4(sums, i, tm, tn);
    } else if (UNROLL == 2u) {
        multiply_2(sums, i, tm, tn);
    } else {
        multiply_row(sums, i, tm, tn);
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
