//! Texture copies of tensors: which texture a kernel reads an operand from, and when it must be copied again.
//!
//! Read this for a plan's memory and copies. llvmpipe loads from a buffer lane by lane and from a texture by vectors, so a
//! copy pays for itself if a tensor is read several times, by one product or by several kernels. Knows nothing of wgpu.

use super::derived::DerivedCache;
use super::ids::{ProgramId, TextureId};
use super::tensor::{Element, Tensor};

/// Possible widths of a texture in texels, of four elements each. A tensor takes the first that leaves few enough rows.
/// They are powers of two, so that kernels divide by them in one instruction, and few, so that large tensors share
/// textures.
const WIDTHS: [u32; 3] = [256, 1024, 4096];

/// The maximum number of rows, which exceeds the texels of any row. WebGPU guarantees it.
pub const MAX_ROWS: u32 = 8192;

/// Growth below this many rows counts as zero, so that a small tensor does not take a large texture.
const MIN_GROWTH_ROWS: u32 = 16;

/// The maximum number of shared narrow textures per element type. The gradients of a layer reuse them one after the other; more would
/// save few copies (docs/lab-notebook/defaults.md). Wider textures take tens of megabytes each, so there is one for each
/// element type and width, and a second if a product reads two such tensors.
const MAX_SHARED_TEXTURES: usize = 3;

/// Texels of a row of a texture of `len` elements, without its margin.
pub fn width(len: u32) -> u32 {
    let [narrow @ .., widest] = WIDTHS;
    narrow.into_iter().find(|width| len.div_ceil(4).div_ceil(*width) <= MAX_ROWS).unwrap_or(widest)
}

/// Rows of a texture of `len` elements.
fn rows(len: u32) -> u32 {
    len.div_ceil(4).div_ceil(width(len))
}

/// Whether there can be a texture of `len` elements.
pub fn fits(len: u32) -> bool {
    rows(len) <= MAX_ROWS
}

/// A texture to be allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextureSpec {
    /// element type of its texels
    pub element: Element,
    /// texels per row that store tensors, without the margin
    pub width: u32,
    /// rows
    pub rows: u32,
}

impl TextureSpec {
    fn of(tensor: &Tensor) -> Self {
        Self { element: tensor.element, width: width(tensor.len()), rows: rows(tensor.len()) }
    }

    /// Whether it equals `other` except in its rows.
    fn is_like(&self, other: &Self) -> bool {
        (self.element, self.width) == (other.element, other.width)
    }

    /// Bytes of a texel.
    pub fn texel(&self) -> u32 {
        4 * self.element.bytes() as u32
    }

    /// Texels per row with a margin of one cache line, to which nothing is ever copied.
    ///
    /// WebGPU initialises textures with zeros, so kernels read zeros there for elements outside a tensor. The margin also
    /// shifts each row by one cache line against the row before. Without it the rows would start whole powers of two
    /// apart, and a column of a matrix would fall into few sets of the cache.
    pub fn pitch(&self) -> u32 {
        self.width + CACHE_LINE / self.texel()
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        u64::from(self.texel()) * u64::from(self.pitch()) * u64::from(self.rows)
    }
}

/// Bytes of a cache line of a CPU.
const CACHE_LINE: u32 = 64;

/// A plan's textures, and for each program the tensors whose copies in them are valid.
#[derive(Default)]
pub(super) struct Textures {
    pub(super) specs: Vec<TextureSpec>,
    /// valid copies, the least recently read first
    pub(super) derived: DerivedCache<TextureId>,
    /// textures that are reserved for one tensor
    own: Vec<(Tensor, TextureId)>,
}

impl Textures {
    /// The texture from which `program` reads `tensor` here, and whether the tensor must be copied there first. A tensor
    /// whose copies persist has a texture of its own, if the narrowest width is enough for it.
    pub(super) fn find(&mut self, program: ProgramId, tensor: &Tensor, persists: bool) -> (TextureId, bool) {
        let valid = self.derived.of(program);
        if let Some(at) = valid.iter().position(|(other, _)| other.is(tensor)) {
            let entry = valid.remove(at);
            valid.push(entry);
            return (entry.1, false);
        }
        let texture = if persists && width(tensor.len()) == WIDTHS[0] {
            Self::own_of(&mut self.specs, &mut self.own, tensor)
        } else {
            Self::choose_shared(&mut self.specs, &self.own, tensor, valid)
        };
        let spec = &mut self.specs[texture.0];
        spec.rows = spec.rows.max(rows(tensor.len()));
        valid.retain(|(_, other)| *other != texture);
        valid.push((*tensor, texture));
        (texture, true)
    }

    /// Adds the copies in reserved textures that are valid at the end of `earlier` to those of `program`.
    pub(super) fn inherit(&mut self, program: ProgramId, earlier: ProgramId) {
        let own = &self.own;
        self.derived.inherit(program, earlier, |tensor| own.iter().any(|(of, _)| of.is(tensor)));
    }

    /// The texture that is reserved for `tensor`.
    fn own_of(
        specs: &mut Vec<TextureSpec>,
        own: &mut Vec<(Tensor, TextureId)>,
        tensor: &Tensor,
    ) -> TextureId {
        let known = own.iter().find(|(other, _)| other.is(tensor)).map(|(_, texture)| *texture);
        known.unwrap_or_else(|| {
            specs.push(TextureSpec::of(tensor));
            let texture = TextureId(specs.len() - 1);
            own.push((*tensor, texture));
            texture
        })
    }

    /// Chooses a shared texture of the tensor's element type and width: first a free one, then a new one, then one whose
    /// copy is still valid, but never the one read last, which the same dispatch may be about to read. Of several it takes
    /// the one that needs the least growth, and of those the smallest, so that large tensors share their textures.
    fn choose_shared(
        specs: &mut Vec<TextureSpec>,
        own: &[(Tensor, TextureId)],
        tensor: &Tensor,
        valid: &[(Tensor, TextureId)],
    ) -> TextureId {
        let age = |texture: TextureId| valid.iter().position(|(_, other)| *other == texture);
        let wanted = TextureSpec::of(tensor);
        let of_kind = (0..specs.len()).filter(|&at| specs[at].is_like(&wanted));
        let shared = |texture: &TextureId| own.iter().all(|(_, other)| other != texture);
        let kind: Vec<TextureId> = of_kind.map(TextureId).filter(shared).collect();
        let growth = |texture: TextureId| wanted.rows.saturating_sub(specs[texture.0].rows) / MIN_GROWTH_ROWS;
        let idle = kind.iter().copied().filter(|texture| age(*texture).is_none());
        let idle = idle.min_by_key(|texture| (growth(*texture), specs[texture.0].rows));
        let last = valid.last().map(|(_, texture)| *texture);
        let others = || kind.iter().copied().filter(|texture| Some(*texture) != last);
        let old = || others().min_by_key(|texture| (growth(*texture), specs[texture.0].rows, age(*texture)));
        let full = kind.len() >= if wanted.width == WIDTHS[0] { MAX_SHARED_TEXTURES } else { 1 };
        idle.or_else(|| if full { old() } else { None }).unwrap_or_else(|| {
            specs.push(wanted);
            TextureId(specs.len() - 1)
        })
    }
}
