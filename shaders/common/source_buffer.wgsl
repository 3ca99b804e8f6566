// Loads of a kernel's source operand from a storage buffer.

@group(0) @binding(0) var<storage, read> source: array<vec4<Source>>;

// elements 4i..4i+3, zero if `outside`; select instead of a branch, see gemm_buffers.wgsl
fn source_at(i: u32, outside: bool) -> vec4<f32> {
    return select(vec4<f32>(source[select(i, 0u, outside)]), vec4<f32>(0.0), outside);
}
