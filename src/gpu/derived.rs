//! What a plan's programs have made of tensors and need not make again: textures of them, or other tensors.
//!
//! It holds as long as neither is written. A run of a program begins with nothing, because others may have run before,
//! but for what it inherits of programs that it follows (`lasting`).

use std::collections::HashMap;

use super::program::ProgramId;
use super::tensor::Tensor;

/// What was made of which tensor where each program's recording has come to.
pub(super) struct DerivedCache<T>(HashMap<ProgramId, Vec<(Tensor, T)>>);

impl<T> Default for DerivedCache<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy> DerivedCache<T> {
    /// What `program` holds.
    pub(super) fn of(&mut self, program: ProgramId) -> &mut Vec<(Tensor, T)> {
        self.0.entry(program).or_default()
    }

    /// What `earlier` holds at its end and `lasts` is what `program` begins with.
    pub(super) fn inherit(
        &mut self,
        program: ProgramId,
        earlier: ProgramId,
        persists: impl Fn(&Tensor) -> bool,
    ) {
        let left: Vec<_> = self.of(earlier).iter().filter(|(tensor, _)| persists(tensor)).copied().collect();
        self.of(program).extend(left);
    }

    /// Forgets what is `old` of what `program` holds.
    pub(super) fn invalidate(&mut self, program: ProgramId, old: impl Fn(&Tensor, &T) -> bool) {
        self.of(program).retain(|(tensor, made)| !old(tensor, made));
    }
}
