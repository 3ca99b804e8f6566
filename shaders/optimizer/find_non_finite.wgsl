// Sets scaling[FOUND] if the gradient of a layer's bias is not finite.
// One workgroup; every invocation that writes writes the same value. The bias gradient sums all elements that the
// layer's other gradients are computed from, so any overflow shows in it.

struct Params {
    vec4s: u32, // vec4s of the gradient
}

@group(0) @binding(0) var<storage, read> grad: array<vec4<f32>>; // [vec4s]
@group(0) @binding(1) var<storage, read_write> scaling: array<u32>; // [4], see loss_scale.wgsl

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    for (var at = thread; at < params.vec4s; at += 64u) {
        if (any(infinite(grad[at]))) {
            scaling[FOUND] = 1u;
        }
    }
}
