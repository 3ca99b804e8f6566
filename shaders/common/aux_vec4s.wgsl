// Four elements of a bias or a mask, converted from their element type Aux to f32.

alias AuxVec4 = vec4<Aux>;

fn aux_at(i: u32) -> vec4<f32> {
    return vec4<f32>(aux[i]);
}
