// Weight gradient of a linear layer: out[o, i] = sum over n of dy[n, o] * x[n, i].

// left: dy [N, O]
// right: x [N, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // required by `epilogue`, unused
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [O, I]

const M: u32 = params.outputs;
const N: u32 = params.inputs;
const K: u32 = params.rows;

struct BlockA {
    at: u32,
    m: u32,
    k: u32,
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    return BlockA((plane * K + k) * (M / 4u) + m / 4u, m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    return left_at(a.at + (k + i) * (M / 4u), outside_a(a.m, k + a.k + i)); // dy[n, o..o+3]
}

struct BlockB {
    at: u32,
    n: u32,
    k: u32,
}

fn locate_b(plane: u32, n: u32, k: u32) -> BlockB {
    return BlockB((plane * K + k) * (N / 4u) + n / 4u, n, k);
}

fn load_b(b: BlockB, k: u32, i: u32) -> vec4<Cell> {
    return right_at(b.at + (k + i) * (N / 4u), outside_b(b.n, k + b.k + i)); // x[n, i..i+3]
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (plane * M + m) * (N / 4u) + n / 4u;
}
