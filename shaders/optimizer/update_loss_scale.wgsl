// Ends a step in f16: halves the factor on the gradients after one that was not finite, doubles it after INTERVAL
// good steps in a row, and clears the finding. One invocation.

struct Params {
    interval: u32, // good steps before the factor is doubled
}

@group(0) @binding(0) var<storage, read_write> scaling: array<u32>; // [4], see loss_scale.wgsl

const LEAST: i32 = -16; // the factor's bounds, as exponents
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
