// out[n, j] = step.noise_std * a standard normal, by Box-Muller from Philox words.
// One invocation per four normals. The key is the seed, the counter (j / 4, picture, step, stream):
// there is no state, and no dependence on the micro-batch.

struct Params {
    rows: u32, // pictures of the micro-batch
    vec4s: u32, // vec4s of a row
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<Vec4>; // [N, Z]

// cosine and sine of b / 2^32 turns, from its upper 24 bits: reduced to an eighth of a turn, then a Taylor series.
// WGSL's own functions may be off by 2^-11, and more beyond half a turn, so adapters would draw different numbers.
fn turn(b: u32) -> vec2<f32> {
    let at = b >> 8u;
    let quarter = (at + 0x200000u) >> 22u; // nearest quarter turn
    let x = f32(i32(at) - i32(quarter << 22u)) * (6.283185307 * 0x1p-24);
    let s = x * x;
    let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40320.0))));
    let sine = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362880.0)))));
    let turned = select(vec2<f32>(cosine, sine), vec2<f32>(-sine, cosine), (quarter & 1u) == 1u);
    return select(turned, -turned, (quarter & 2u) == 2u);
}

// two independent normals from two words; adding one half keeps the logarithm finite
fn box_muller(a: u32, b: u32) -> vec2<f32> {
    let u = (f32(a >> 9u) + 0.5) * 0x1p-23;
    return sqrt(-2.0 * log(u)) * turn(b);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    if (at >= params.rows * params.vec4s) {
        return;
    }
    let picture = step.sample_offset + at / params.vec4s;
    let counter = vec4<u32>(at % params.vec4s, picture, step.step, step.stream);
    let words = philox(counter, vec2<u32>(step.seed_lo, step.seed_hi));
    let normals = vec4<f32>(box_muller(words.x, words.y), box_muller(words.z, words.w));
    out[at] = packed(step.noise_std * normals);
}
