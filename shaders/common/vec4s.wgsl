// Four elements of an output tensor, converted between f32 and its element type Out.

alias Vec4 = vec4<Out>;

fn packed(values: vec4<f32>) -> Vec4 {
    return vec4<Out>(values);
}

fn unpacked(values: Vec4) -> vec4<f32> {
    return vec4<f32>(values);
}
