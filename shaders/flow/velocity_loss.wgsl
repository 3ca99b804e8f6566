// The mean squared error of each picture's velocity, and with GRADIENT its gradient: dv = 2 (v - target) / Z.
// One workgroup per picture; the sum is a tree, in fixed order. Pictures from step.valid on count nothing.

struct Params {
    rows: u32, // N
    latent: u32, // Z before padding; padding is zero on both sides
    vec4s: u32, // vec4s of a row
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> v: array<vec4<f32>>; // [N, Z]
@group(0) @binding(2) var<storage, read> goal: array<vec4<f32>>; // [N, Z], the target
@group(0) @binding(3) var<storage, read_write> dv: array<vec4<f32>>; // [N, Z]; one vec4 without GRADIENT
@group(0) @binding(4) var<storage, read_write> parts: array<vec4<f32>>; // [N, 4]: error, 0, 0, 0, for squared_error_total.wgsl

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = workgroup.x + workgroup.y * GRID_X;
    let counts = row < step.valid;
    var sum = vec4<f32>(0.0);
    if (row < params.rows) {
        for (var c4 = thread; c4 < params.vec4s; c4 += 64u) {
            let at = row * params.vec4s + c4;
            let error = select(vec4<f32>(0.0), v[at] - goal[at], counts);
            sum += error * error;
            if (GRADIENT) {
                dv[at] = (2.0 / f32(params.latent)) * error;
            }
        }
    }
    let total = tree_sum(thread, sum);
    if ((thread == 0u) & (row < params.rows)) {
        let mean = (total.x + total.y + total.z + total.w) / f32(params.latent);
        parts[row] = vec4<f32>(mean, 0.0, 0.0, 0.0);
    }
}
