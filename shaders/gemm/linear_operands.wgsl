// Sizes and operands of the three products of a linear layer: A, B and C are dense matrices, one for each plane.

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

// A is [PLANES, M, K] if A_K_MAJOR, otherwise [PLANES, K, M]
struct BlockA {
    at: u32,
    m: u32,
    k: u32,
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    if (A_K_MAJOR) {
        return BlockA((plane * M + m) * (K / 4u) + k / 4u, m, k);
    }
    return BlockA((plane * K + k) * (M / 4u) + m / 4u, m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    if (A_K_MAJOR) {
        return left_at(a.at + k / 4u + i * (K / 4u), outside_a(a.m + i, k + a.k));
    }
    return left_at(a.at + (k + i) * (M / 4u), outside_a(a.m, k + a.k + i));
}

// B is [PLANES, N, K] if B_K_MAJOR, otherwise [PLANES, K, N]
struct BlockB {
    at: u32,
    n: u32,
    k: u32,
}

fn locate_b(plane: u32, n: u32, k: u32) -> BlockB {
    if (B_K_MAJOR) {
        return BlockB((plane * N + n) * (K / 4u) + k / 4u, n, k);
    }
    return BlockB((plane * K + k) * (N / 4u) + n / 4u, n, k);
}

fn load_b(b: BlockB, k: u32, i: u32) -> vec4<Cell> {
    if (B_K_MAJOR) {
        return right_at(b.at + k / 4u + i * (K / 4u), outside_b(b.n + i, k + b.k));
    }
    return right_at(b.at + (k + i) * (N / 4u), outside_b(b.n, k + b.k + i));
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (plane * M + m) * (N / 4u) + n / 4u;
}
