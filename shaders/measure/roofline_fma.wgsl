// y = fma(y, 3/4, 1/4), over and over: how many multiply-adds the adapter does when nothing else is in the way.
// Three chains of vec4 per invocation, 12 multiply-adds that do not wait for each other: enough to hide the
// latency of one, and few enough to stay in the registers of a CPU's vector unit. Every chain goes to 1, so that
// rounding errors shrink. out = the sum of the chains, so that none can be left out. One invocation per vec4.
//
// 16 steps a turn of the loop cost the least, unless the compiler does one chain after the other, as Mesa 25's does for
// llvmpipe: then 8 do, because the processor looks ahead far enough to overlap short chains.

struct Params {
    vec4s: u32, // invocations
    unrolled: u32, // multiply-adds per chain and round: 8 or 16
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
