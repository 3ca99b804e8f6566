//! Cache of derived tensors: texture copies and Winograd transforms, and which of them outlive a program.
//!
//! An entry is valid until its source or the derived tensor is written. Each program starts with an empty cache, since any
//! program may have run before it, except for entries inherited from its declared predecessors.
//!
//! Most derived tensors are stored in shared scratch memory and are valid within one program only. Parameters do not change
//! between the forward and the backward programs of a step, so their transforms and their narrow textures have memory of
//! their own and are computed once per step.

use std::collections::HashMap;

use super::ids::{BufferId, ProgramId};
use super::tensor::Tensor;

/// For each program, the tensors and their derived values that are valid at this point of its recording.
pub(super) struct DerivedCache<T>(HashMap<ProgramId, Vec<(Tensor, T)>>);

impl<T> Default for DerivedCache<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy> DerivedCache<T> {
    /// The valid entries of `program`.
    pub(super) fn of(&mut self, program: ProgramId) -> &mut Vec<(Tensor, T)> {
        self.0.entry(program).or_default()
    }

    /// Adds the entries of `earlier` that are left at its end and whose source `persists` to those of `program`.
    pub(super) fn inherit(
        &mut self,
        program: ProgramId,
        earlier: ProgramId,
        persists: impl Fn(&Tensor) -> bool,
    ) {
        let left: Vec<_> = self.of(earlier).iter().filter(|(tensor, _)| persists(tensor)).copied().collect();
        self.of(program).extend(left);
    }

    /// Removes the entries of `program` that are `stale`.
    pub(super) fn invalidate(&mut self, program: ProgramId, stale: impl Fn(&Tensor, &T) -> bool) {
        self.of(program).retain(|(tensor, derived)| !stale(tensor, derived));
    }
}

/// The buffers whose derived tensors outlive a program, and the memory of those.
#[derive(Default)]
pub(super) struct Persistent {
    /// buffers of sources
    pub(super) sources: Vec<BufferId>,
    /// source, and the buffer of the derived tensor
    pub(super) derived: Vec<(Tensor, BufferId)>,
}

impl Persistent {
    /// Whether tensors derived from `tensor` persist: it is in a source buffer, or is derived itself.
    pub(super) fn has(&self, tensor: &Tensor) -> bool {
        let buffer = tensor.buffer;
        self.sources.contains(&buffer) || self.derived.iter().any(|(_, derived)| *derived == buffer)
    }
}
