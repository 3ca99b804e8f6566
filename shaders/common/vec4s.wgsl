// Four elements in memory as they are: of what a kernel writes, or reads to write it anew.

alias Vec4 = vec4<Out>;

fn packed(values: vec4<f32>) -> Vec4 {
    return vec4<Out>(values);
}

fn unpacked(values: Vec4) -> vec4<f32> {
    return vec4<f32>(values);
}
