// Exponential moving average (EMA) of the parameters: average += step.ema * (param - average).
// One item per vec4. A skipped step (loss_scale.wgsl) changes nothing.
// Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with a fixed decay.

struct Params {
    vec4s: u32, // vec4s of the range
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> param: array<Vec4>; // [vec4s]
@group(0) @binding(2) var<storage, read> scaling: array<u32>; // [4], see loss_scale.wgsl
@group(0) @binding(3) var<storage, read_write> average: array<Vec4>; // [vec4s]

fn item(at: u32) {
    if ((at >= params.vec4s) | (scaling[FOUND] != 0u)) {
        return;
    }
    let was = unpacked(average[at]);
    average[at] = packed(was + step.ema * (unpacked(param[at]) - was));
}
