// The sum of one vec4 per invocation, over a workgroup of 64, in fixed order: a tree.
// Every invocation must call it, in uniform control flow; the result is valid in invocation 0.

var<workgroup> sh_sum: array<vec4<f32>, 64>;

fn tree_sum(thread: u32, value: vec4<f32>) -> vec4<f32> {
    workgroupBarrier(); // all invocations have read the previous sum
    sh_sum[thread] = value;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sum[thread] += sh_sum[thread + half];
        }
    }
    return sh_sum[thread];
}
