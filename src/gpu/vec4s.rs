//! The shader files that define a kernel's vec4 types.
//!
//! Needed only to change how kernels load and store vec4s: as vectors, or packed into 64-bit integers.

use super::kernel::{Alias, Kernel, Source};
use super::tensor::Element;
use crate::wgsl;

/// The files that define the kernel's `Vec4`, four elements of its output, and its `AuxVec4`, four elements of a bias or
/// a mask. An element type that `aliases` does not name is f32 and is added to it.
pub(super) fn vec4_files(kernel: &Kernel, packed_u64: bool, aliases: &mut Vec<Alias>) -> Vec<Source> {
    let kinds = [
        ("<Vec4>", "Out", wgsl!("common/vec4s.wgsl"), wgsl!("common/vec4s_packed.wgsl")),
        ("<AuxVec4>", "Aux", wgsl!("common/aux_vec4s.wgsl"), wgsl!("common/aux_vec4s_packed.wgsl")),
    ];
    let mut files = Vec::new();
    for (_, alias, plain, packed) in kinds.into_iter().filter(|(bound, ..)| kernel.mentions(bound)) {
        let named = aliases.iter().find(|(name, _)| *name == alias).map(|(_, element)| *element);
        let element = named.unwrap_or_else(|| {
            aliases.push((alias, Element::F32));
            Element::F32
        });
        files.push(if packed_u64 && element == Element::F32 { packed } else { plain });
    }
    if kinds.iter().any(|(.., packed)| files.contains(packed)) {
        files.push(wgsl!("common/packed_u64.wgsl"));
    }
    files
}
