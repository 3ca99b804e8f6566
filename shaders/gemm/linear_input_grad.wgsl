// Input gradient of a linear layer: out[n, i] = sum over o of dy[n, o] * weight[o, i].

// left: dy [N, O]
// right: weight [O, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // mask [N, I]
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, I]

const M: u32 = params.rows;
const N: u32 = params.inputs;
const K: u32 = params.outputs;

struct BlockA {
    at: u32,
    m: u32,
    k: u32,
}

fn locate_a(plane: u32, m: u32, k: u32) -> BlockA {
    return BlockA((plane * M + m) * (K / 4u) + k / 4u, m, k);
}

fn load_a(a: BlockA, k: u32, i: u32) -> vec4<Cell> {
    return left_at(a.at + k / 4u + i * (K / 4u), outside_a(a.m + i, k + a.k)); // dy[n, o..o+3]
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
    return right_at(b.at + (k + i) * (N / 4u), outside_b(b.n, k + b.k + i)); // weight[o, i..i+3]
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return (plane * M + m) * (N / 4u) + n / 4u;
}
