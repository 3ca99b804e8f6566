// Updates the loss scale after a step: halves it if the gradients were not finite, doubles it after INTERVAL
// consecutive
// finite steps, and clears FOUND. One invocation.

struct Params {
    interval: u32, // finite steps before the factor is doubled
}

@group(0) @binding(0) var<storage, read_write> scaling: array<u32>; // [4], see loss_scale.wgsl

const LEAST: i32 = -16; // bounds of the factor, as exponents
const MAX_EXPONENT: i32 = 24;

@compute @workgroup_size(1)
fn main() {
    let exponent = bitcast<i32>(scaling[EXPONENT]);
    let good = scaling[GOOD] + 1u;
    if (scaling[FOUND] != 0u) {
        scaling[EXPONENT] = bitcast<u32>(max(exponent - 1, LEAST));
        scaling[GOOD] = 0u;
        scaling[SKIPPED] += 1u;
    } else if (good == params.interval) {
        scaling[EXPONENT] = bitcast<u32>(min(exponent + 1, MAX_EXPONENT));
        scaling[GOOD] = 0u;
    } else {
        scaling[GOOD] = good;
    }
    scaling[FOUND] = 0u;
}
