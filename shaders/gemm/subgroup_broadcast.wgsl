// Broadcast of one lane's block to every lane, for subgroups that are exactly one cluster.
//
// One function per lane, because WGSL requires the lane of a broadcast to be a constant.

fn lane0(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 0u), subgroupBroadcast(a[1], 0u),
        subgroupBroadcast(a[2], 0u), subgroupBroadcast(a[3], 0u));
}
fn lane1(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 1u), subgroupBroadcast(a[1], 1u),
        subgroupBroadcast(a[2], 1u), subgroupBroadcast(a[3], 1u));
}
fn lane2(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 2u), subgroupBroadcast(a[1], 2u),
        subgroupBroadcast(a[2], 2u), subgroupBroadcast(a[3], 2u));
}
fn lane3(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 3u), subgroupBroadcast(a[1], 3u),
        subgroupBroadcast(a[2], 3u), subgroupBroadcast(a[3], 3u));
}
fn lane4(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 4u), subgroupBroadcast(a[1], 4u),
        subgroupBroadcast(a[2], 4u), subgroupBroadcast(a[3], 4u));
}
fn lane5(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 5u), subgroupBroadcast(a[1], 5u),
        subgroupBroadcast(a[2], 5u), subgroupBroadcast(a[3], 5u));
}
fn lane6(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 6u), subgroupBroadcast(a[1], 6u),
        subgroupBroadcast(a[2], 6u), subgroupBroadcast(a[3], 6u));
}
fn lane7(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 7u), subgroupBroadcast(a[1], 7u),
        subgroupBroadcast(a[2], 7u), subgroupBroadcast(a[3], 7u));
}
fn lane8(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 8u), subgroupBroadcast(a[1], 8u),
        subgroupBroadcast(a[2], 8u), subgroupBroadcast(a[3], 8u));
}
fn lane9(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 9u), subgroupBroadcast(a[1], 9u),
        subgroupBroadcast(a[2], 9u), subgroupBroadcast(a[3], 9u));
}
fn lane10(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 10u), subgroupBroadcast(a[1], 10u),
        subgroupBroadcast(a[2], 10u), subgroupBroadcast(a[3], 10u));
}
fn lane11(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 11u), subgroupBroadcast(a[1], 11u),
        subgroupBroadcast(a[2], 11u), subgroupBroadcast(a[3], 11u));
}
fn lane12(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 12u), subgroupBroadcast(a[1], 12u),
        subgroupBroadcast(a[2], 12u), subgroupBroadcast(a[3], 12u));
}
fn lane13(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 13u), subgroupBroadcast(a[1], 13u),
        subgroupBroadcast(a[2], 13u), subgroupBroadcast(a[3], 13u));
}
fn lane14(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 14u), subgroupBroadcast(a[1], 14u),
        subgroupBroadcast(a[2], 14u), subgroupBroadcast(a[3], 14u));
}
fn lane15(a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(a[0], 15u), subgroupBroadcast(a[1], 15u),
        subgroupBroadcast(a[2], 15u), subgroupBroadcast(a[3], 15u));
}
