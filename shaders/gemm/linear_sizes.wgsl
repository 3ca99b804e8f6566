// What the three products of a linear layer share.

struct Params {
    rows: u32, // N, the batch
    inputs: u32, // I, a multiple of 4
    outputs: u32, // O, a multiple of 4
    planes: u32, // as many independent layers, one behind the other in every operand
}

const PLANES: u32 = params.planes;

// every term counts
fn k_range(plane: u32, rows: Range, columns: Range) -> Range {
    return Range(0u, K);
}
