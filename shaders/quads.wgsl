// Four elements in memory as they are: of what a kernel writes, or reads to write it anew.

alias Quad = vec4<Out>;

fn packed(values: vec4<f32>) -> Quad {
    return vec4<Out>(values);
}

fn unpacked(quad: Quad) -> vec4<f32> {
    return vec4<f32>(quad);
}
