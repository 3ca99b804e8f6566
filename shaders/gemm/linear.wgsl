// Linear layer: out[n, o] = sum over i of x[n, i] * weight[o, i].

// left: x [N, I]
// right: weight [O, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // bias [O]
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, O]

const M: u32 = params.rows;
const N: u32 = params.outputs;
const K: u32 = params.inputs;
