//! What programs make of parameters and leave to those that follow: textures of them, and their points.
//!
//! Whatever else is made of a tensor shares its memory with others' (`scratch_of`, `textures`) and is good for one program.
//! Parameters stay as they are from a step's forward to its backward programs, so their points and their textures, but for
//! those too large for narrow rows, have memory of their own, and are made once a step.

use super::program::{Item, Plan, ProgramId, Usage};
use super::tensor::{BufferId, Element, Shape, Tensor};

/// Buffers of which what is made stays, and the memory for it.
#[derive(Default)]
pub(super) struct Persistent {
    sources: Vec<BufferId>,
    /// of what, and where it is
    made: Vec<(Tensor, BufferId)>,
}

impl Persistent {
    /// Whether what is made of `tensor` stays.
    pub(super) fn has(&self, tensor: &Tensor) -> bool {
        let buffer = tensor.buffer;
        self.sources.contains(&buffer) || self.made.iter().any(|(_, made)| *made == buffer)
    }
}

impl Plan {
    /// From here on, what programs make of `buffer` has memory of its own, for programs that [`Plan::inherit_derived`].
    pub fn persist_derived_of(&mut self, buffer: BufferId) {
        self.persistent.sources.push(buffer);
    }

    /// Memory for `len` elements that are made of `tensor`, or it of them: their own where they stay, else that of `slot`.
    pub(crate) fn derived_buffer(&mut self, tensor: &Tensor, slot: usize, len: u32) -> Tensor {
        if !self.persistent.has(tensor) {
            return self.scratch_of(slot, len);
        }
        let shape = Shape::new(&[len]);
        let fits = |made: &BufferId| self.buffers[made.index()].len == u64::from(len);
        let known = self.persistent.made.iter().find(|(of, made)| of.is(tensor) && fits(made));
        let buffer = known.map(|(_, made)| *made).unwrap_or_else(|| {
            let label = format!("made of {} at {}", self.buffers[tensor.buffer.index()].label, tensor.offset);
            let buffer = self.buffer(label, len.into(), Usage::Activation);
            self.persistent.made.push((*tensor, buffer));
            buffer
        });
        Tensor { buffer, offset: 0, shape, element: Element::F32 }
    }

    /// `program`, of which nothing is recorded yet, runs after all of `before`, and nothing writes to what lasts meanwhile:
    /// it finds what they have made of it.
    ///
    /// # Panics
    /// If one of `before` writes to it.
    pub fn inherit_derived(&mut self, program: ProgramId, before: &[ProgramId]) {
        assert!(self.get(program).items.is_empty(), "{} has begun", self.get(program).name);
        for &earlier in before {
            let items = &self.get(earlier).items;
            let writes = items.iter().any(|item| match item {
                Item::Clear(buffer) => self.persistent.sources.contains(buffer),
                Item::TextureCopy(_) => false,
                Item::Dispatch(dispatch) => {
                    dispatch.written().any(|tensor| self.persistent.sources.contains(&tensor.buffer))
                }
            });
            assert!(!writes, "{} writes to what it should leave as it is", self.get(earlier).name);
            let own = &self.textures.own;
            let is_own = |tensor: &Tensor| own.iter().any(|(of, _)| of.is(tensor));
            self.textures.derived.inherit(program, earlier, is_own);
            self.derived.inherit(program, earlier, |tensor| self.persistent.has(tensor));
        }
    }
}
