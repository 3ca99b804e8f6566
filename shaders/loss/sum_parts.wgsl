// The sum of the parts of a micro-batch, for a kernel of one workgroup that binds `parts`: each invocation with stride 64,
// then a tree, so always in the same order. As with tree_sum, the result is valid in invocation 0.

fn sum_parts(thread: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var i = thread; i < params.parts; i += 64u) {
        sum += parts[i];
    }
    return tree_sum(thread, sum);
}
