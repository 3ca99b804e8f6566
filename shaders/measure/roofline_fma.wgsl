// y = fma(y, 3/4, 1/4), repeated: measures the adapter's peak multiply-add rate.
// One invocation per vec4, with three chains of vec4: 12 independent multiply-adds, enough to hide the latency of one,
// and few enough for the registers of a CPU's vector unit. Every chain converges to 1, so rounding errors shrink. out
// is the sum of the chains, so no chain can be eliminated.
//
// 16 steps per loop iteration have the least overhead, unless the compiler emits one chain after the other, as Mesa 25
// does for llvmpipe: then 8 are better, because the processor's lookahead can overlap short chains.

struct Params {
    vec4s: u32, // invocations
    unrolled: u32, // multiply-adds per chain and iteration: 8 or 16
    rounds: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [vec4s]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [vec4s]

const FACTOR = vec4<f32>(0.75);
const TERM = vec4<f32>(0.25);

struct Chains {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

fn once(y: Chains) -> Chains {
    return Chains(fma(y.a, FACTOR, TERM), fma(y.b, FACTOR, TERM), fma(y.c, FACTOR, TERM));
}

fn four_times(y: Chains) -> Chains {
    return once(once(once(once(y))));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.vec4s) {
        return;
    }
    let start = x[at];
    var y = Chains(start, start + 1.0, start + 2.0);
    for (var round = 0u; round < params.rounds; round += 1u) {
        y = four_times(four_times(y));
        if (params.unrolled > 8u) {
            y = four_times(four_times(y));
        }
    }
    out[at] = y.a + y.b + y.c;
}
