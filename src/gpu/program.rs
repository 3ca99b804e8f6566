//! Programs: the recorded lists of dispatches, clears and texture copies that a runner replays.

use super::ids::{BufferId, TextureId};
use super::op::Dispatch;
use super::tensor::Tensor;

/// One entry of a program.
pub enum Item {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Fills a buffer with zeros.
    Clear(BufferId),
    /// Copies a tensor to a texture.
    TextureCopy(TextureCopy),
}

impl Item {
    /// Its work in floating-point operations, see [`Dispatch::work`]; clears and copies count nothing.
    pub fn work(&self) -> f64 {
        match self {
            Self::Dispatch(dispatch) => dispatch.work() as f64,
            Self::Clear(_) | Self::TextureCopy(_) => 0.0,
        }
    }
}

/// One copy of a tensor to a texture.
pub struct TextureCopy {
    /// The dispatch that reads it and the operand's name: `encoder.2 forward, left`.
    pub label: String,
    /// The source.
    pub tensor: Tensor,
    /// The destination.
    pub texture: TextureId,
}

/// A list of items to replay.
#[derive(Default)]
pub struct Program {
    /// Its purpose: `train`, `decode`.
    pub name: &'static str,
    /// The list.
    pub items: Vec<Item>,
}

impl Program {
    /// Its dispatches, without the clears and copies.
    pub fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.items.iter().filter_map(|item| match item {
            Item::Dispatch(dispatch) => Some(dispatch),
            Item::Clear(_) | Item::TextureCopy(_) => None,
        })
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.dispatches().map(Dispatch::flops).sum()
    }

    /// Whether it writes to one of `buffers`.
    pub(super) fn writes_to(&self, buffers: &[BufferId]) -> bool {
        self.items.iter().any(|item| match item {
            Item::Clear(buffer) => buffers.contains(buffer),
            Item::TextureCopy(_) => false,
            Item::Dispatch(dispatch) => dispatch.written().any(|tensor| buffers.contains(&tensor.buffer)),
        })
    }
}
