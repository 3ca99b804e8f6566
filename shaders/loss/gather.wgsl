// Copies a micro-batch's latents into those of its batch: all[step.sample_offset + n] = z[n] for the valid pictures.
// One invocation per vec4 of z.

struct Params {
    rows: u32, // N
    vec4s: u32, // vec4s of a row
    batch: u32, // B, rows of `all`
}

@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>; // [N, Z]
@group(0) @binding(2) var<storage, read_write> all: array<vec4<f32>>; // [B, Z]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (workgroup.x + workgroup.y * GRID_X) * 64u + thread;
    let row = at / params.vec4s;
    if ((row < min(step.valid, params.rows)) & (step.sample_offset + row < params.batch)) {
        all[step.sample_offset * params.vec4s + at] = z[at];
    }
}
