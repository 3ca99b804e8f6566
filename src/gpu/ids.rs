//! Indices of a plan's buffers, textures and programs.

/// Which buffer of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub(crate) usize);

impl BufferId {
    /// Its place in the plan.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Which texture of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextureId(pub(super) usize);

impl TextureId {
    /// Its place in the plan.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Which program of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub(crate) usize);
