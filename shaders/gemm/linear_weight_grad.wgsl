// Weight gradient of a linear layer: out[o, i] = sum over n of dy[n, o] * x[n, i].

// left: dy [N, O]
// right: x [N, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // required by `epilogue`, unused
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [O, I]

const M: u32 = params.outputs;
const N: u32 = params.inputs;
const K: u32 = params.rows;

fn load_a(plane: u32, m: u32, k: u32) -> vec4<f32> {
    let outside = (m >= M) | (k >= K);
    return left_at(((plane * K + k) * M + m) / 4u, outside); // dy[n, o..o+3]
}

fn load_b(plane: u32, n: u32, k: u32) -> vec4<f32> {
    let outside = (n >= N) | (k >= K);
    return right_at(((plane * K + k) * N + n) / 4u, outside); // x[n, i..i+3]
}

fn store_index(plane: u32, m: u32, n: u32) -> u32 {
    return ((plane * M + m) * N + n) / 4u;
}
