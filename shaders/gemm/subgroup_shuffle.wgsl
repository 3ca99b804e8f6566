// Broadcast of one lane's block to every lane of its cluster, for subgroups of several clusters.

fn shuffled(a: mat4x4<f32>, s: u32) -> mat4x4<f32> {
    let lane = first_lane + s;
    return mat4x4<f32>(
        subgroupShuffle(a[0], lane), subgroupShuffle(a[1], lane),
        subgroupShuffle(a[2], lane), subgroupShuffle(a[3], lane));
}

fn lane0(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 0u);
}
fn lane1(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 1u);
}
fn lane2(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 2u);
}
fn lane3(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 3u);
}
fn lane4(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 4u);
}
fn lane5(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 5u);
}
fn lane6(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 6u);
}
fn lane7(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 7u);
}
fn lane8(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 8u);
}
fn lane9(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 9u);
}
fn lane10(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 10u);
}
fn lane11(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 11u);
}
fn lane12(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 12u);
}
fn lane13(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 13u);
}
fn lane14(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 14u);
}
fn lane15(a: mat4x4<f32>) -> mat4x4<f32> {
    return shuffled(a, 15u);
}
