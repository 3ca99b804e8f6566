// Largest error ratio of two tensors: out[p] = max over part p of |got - want| / (abs + rel |want|); above 1 if an
// element is out of tolerance. A non-finite number (non_finite.wgsl) on either side counts as LARGEST.
// One workgroup per part; the maximum is a tree, in fixed order.

struct Params {
    vec4s: u32, // vec4s of got and want
    parts: u32,
    abs: f32,
    rel: f32,
}

@group(0) @binding(0) var<storage, read> got: array<vec4<Got>>; // [vec4s]
@group(0) @binding(1) var<storage, read> want: array<vec4<Want>>; // [vec4s]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [parts]

const LARGEST: f32 = 3.0e38;

var<workgroup> sh_worst: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let part = workgroup.x + workgroup.y * GRID_X;
    var worst = vec4<f32>(0.0);
    for (var at = part * 64u + thread; at < params.vec4s; at += params.parts * 64u) {
        let a = vec4<f32>(got[at]);
        let b = vec4<f32>(want[at]);
        let ratio = abs(a - b) / (params.abs + params.rel * abs(b));
        worst = max(worst, select(ratio, vec4<f32>(LARGEST), infinite(a) | infinite(b)));
    }
    sh_worst[thread] = max(max(worst.x, worst.y), max(worst.z, worst.w));
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_worst[thread] = max(sh_worst[thread], sh_worst[thread + half]);
        }
    }
    if ((thread == 0u) & (part < params.parts)) {
        out[part] = sh_worst[0];
    }
}
