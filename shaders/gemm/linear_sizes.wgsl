// Sizes shared by the three products of a linear layer.

struct Params {
    rows: u32, // N, the batch
    inputs: u32, // I, a multiple of 4
    outputs: u32, // O, a multiple of 4
    planes: u32, // number of independent layers, stored one after the other in every operand
}

const PLANES: u32 = params.planes;

// no term is known to be zero
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    return Range(0u, K);
}
