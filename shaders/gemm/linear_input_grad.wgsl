// Input gradient of a linear layer: out[n, i] = sum over o of dy[n, o] * weight[o, i].

// left: dy [N, O]
// right: weight [O, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // mask [N, I]
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, I]

const M: u32 = params.rows;
const N: u32 = params.inputs;
const K: u32 = params.outputs;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let outside = (m >= M) | (k >= K);
    return left_at(((plane * M + m) * K + k) / 4u, outside); // dy[n, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let outside = (n >= N) | (k >= K);
    return right_at(((plane * K + k) * N + n) / 4u, outside); // weight[o, i..i+3]
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return ((plane * M + m) * N + n) / 4u;
}
