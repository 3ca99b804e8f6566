// Four f32 of a bias or a mask by words of 64 bits.

alias AuxVec4 = vec2<u64>;

fn aux_at(i: u32) -> vec4<f32> {
    return floats_of(aux[i]);
}
