// Four f32 of a bias or a mask, converted from packed u64; the counterpart of aux_vec4s.wgsl.

alias AuxVec4 = vec2<u64>;

fn aux_at(i: u32) -> vec4<f32> {
    return floats_of(aux[i]);
}
