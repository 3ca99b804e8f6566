//! Indices of a plan's buffers, textures and programs.

/// The index of a buffer of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub(crate) usize);

impl BufferId {
    /// Its place in the plan.
    pub fn index(self) -> usize {
        self.0
    }
}

/// The index of a texture of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextureId(pub(super) usize);

impl TextureId {
    /// Its place in the plan.
    pub fn index(self) -> usize {
        self.0
    }
}

/// The index of a program of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub(crate) usize);
