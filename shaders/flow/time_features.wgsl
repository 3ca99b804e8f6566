// The condition of the flow: features[n] = [cos(2 pi f_k t), sin(2 pi f_k t), one-hot class of n], f_k = 2^(k / 2 - 2).
// With DRAWN, t[n] is drawn first: the sigmoid of a standard normal; and some classes are left out, so that the network
// also learns the velocity without a class. A label that is no class leaves the one-hot part zero.
// One item per vec4 of the features. f_k is exact or the nearest f32, and so is its product with t: every adapter
// computes the cosine of the same number.
// Sources: Esser et al., "Scaling rectified flow transformers", 2024, for the times; Ho and Salimans, "Classifier-free
// diffusion guidance", 2022, for the classes.

struct Params {
    rows: u32, // N
    vec4s: u32, // vec4s of a row of the features
    frequencies: u32, // number of the f_k, a multiple of 4
    classes: u32,
    dropped: u32, // classes are left out with a probability of dropped / 2^32
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> labels: array<u32>; // [N]
@group(0) @binding(2) var<storage, read_write> t: array<f32>; // [N]
@group(0) @binding(3) var<storage, read_write> features: array<vec4<f32>>; // [N, F]

const SQRT_2: f32 = 1.4142135;
// a counter that the normals of the latents do not use
const TIME_COUNTER: u32 = 0x80000000u;

fn frequency(k: u32) -> f32 {
    return select(1.0, SQRT_2, k % 2u == 1u) * bitcast<f32>((k / 2u + 125u) << 23u);
}

// cosine and sine of 2 pi f_k time
fn wave(k: u32, time: f32) -> vec2<f32> {
    let phase = time * frequency(k);
    return turn(u32((phase - floor(phase)) * 0x1p24) << 8u);
}

fn item(at: u32) {
    if (at >= params.rows * params.vec4s) {
        return;
    }
    let row = at / params.vec4s;
    let column = 4u * (at % params.vec4s);
    var time = 0.0;
    var label = labels[row];
    if (DRAWN) {
        let counter = vec4<u32>(TIME_COUNTER, step.sample_offset + row, step.step, step.stream);
        let words = philox(counter, vec2<u32>(step.seed_lo, step.seed_hi));
        time = 1.0 / (1.0 + exp(-box_muller(words.x, words.y).x));
        label = select(label, params.classes, words.z < params.dropped);
        if (column == 0u) {
            t[row] = time;
        }
    } else {
        time = t[row];
    }
    var values = vec4<f32>(0.0);
    if (column < 2u * params.frequencies) {
        for (var i = 0u; i < 4u; i += 1u) {
            let both = wave((column + i) % params.frequencies, time);
            values[i] = select(both.y, both.x, column < params.frequencies);
        }
    } else {
        let index = column - 2u * params.frequencies + vec4<u32>(0u, 1u, 2u, 3u);
        let is = (index == vec4<u32>(label)) & (index < vec4<u32>(params.classes));
        values = select(vec4<f32>(0.0), vec4<f32>(1.0), is);
    }
    features[at] = values;
}
