// Input gradient of a linear layer: out[n, i] = sum over o of dy[n, o] * weight[o, i].

// left: dy [N, O]
// right: weight [O, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // mask [N, I]
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [N, I]

const M: u32 = params.rows;
const N: u32 = params.inputs;
const K: u32 = params.outputs;
