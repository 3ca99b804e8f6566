// Weight gradient of a linear layer: out[o, i] = sum over n of dy[n, o] * x[n, i].

// left: dy [N, O]
// right: x [N, I]
@group(0) @binding(2) var<storage, read> aux: array<AuxVec4>; // required by `epilogue`, unused
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>; // [O, I]

const M: u32 = params.outputs;
const N: u32 = params.inputs;
const K: u32 = params.rows;
