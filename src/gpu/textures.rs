//! Textures of tensors: what a kernel reads as a texture is copied into one of a few textures before, unless one still
//! holds it. Knows nothing of wgpu.
//!
//! llvmpipe reads a buffer lane by lane and a texture by vectors, so that a copy pays for itself wherever a tensor is read
//! several times over, by one product or by several passes.

use super::derived::DerivedCache;
use super::program::ProgramId;
use super::tensor::{Element, Tensor};

/// Texels of a row that hold a tensor, four elements each: the first of these that leaves it few enough rows. Powers of
/// two, so that kernels divide by them in one instruction, and few, so that large tensors share their textures.
const WIDTHS: [u32; 3] = [256, 1024, 4096];

/// Most rows, and more than the texels of any row: WebGPU promises so many.
pub const MAX_ROWS: u32 = 8192;

/// Rows by which growth is counted: fewer are none, so that small tensors do not go to large textures.
const MIN_GROWTH_ROWS: u32 = 16;

/// Textures that a plan has at most of each element for all to share, as narrow as can be: what the gradients of a layer
/// take in turn, of which a fourth and a fifth texture would save a twentieth of the copies only. Of wider ones, which hold
/// tens of megabytes each, it has one for each element and width, and a second where a product reads two such tensors.
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

/// Which texture of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextureId(pub(super) usize);

impl TextureId {
    /// Its place in the plan.
    pub fn index(self) -> usize {
        self.0
    }
}

/// An texture to be allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextureSpec {
    /// what its texels are made of
    pub element: Element,
    /// texels of a row that hold a tensor
    pub width: u32,
    /// its rows
    pub rows: u32,
}

impl TextureSpec {
    fn of(tensor: &Tensor) -> Self {
        Self { element: tensor.element, width: width(tensor.len()), rows: rows(tensor.len()) }
    }

    /// Whether it can hold what `other` holds, rows aside.
    fn is_like(&self, other: &Self) -> bool {
        (self.element, self.width) == (other.element, other.width)
    }

    /// Bytes of a texel.
    pub fn texel(&self) -> u32 {
        4 * self.element.bytes() as u32
    }

    /// Texels of a row with the margin behind it, to which nothing is ever copied. WebGPU's textures begin as zeros, so
    /// that kernels find zeros there for what lies outside a tensor. And it shifts each row by one line of a
    /// processor's cache against the row before: columns of matrices would else fall into few of its sets, because
    /// their rows lie whole powers of two apart. Rows of 256 texels of f32 are as long as all sets of a cache of 32 KiB
    /// and 8 ways together; in wider ones, of long tensors, columns still meet until a row ends.
    pub fn pitch(&self) -> u32 {
        self.width + CACHE_LINE / self.texel()
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        u64::from(self.texel()) * u64::from(self.pitch()) * u64::from(self.rows)
    }
}

/// Bytes of a line of a processor's cache.
const CACHE_LINE: u32 = 64;

/// A plan's textures, and which tensors they hold where each program's recording has come to.
#[derive(Default)]
pub(super) struct Textures {
    pub(super) specs: Vec<TextureSpec>,
    /// the least recently read first
    pub(super) derived: DerivedCache<TextureId>,
    /// those that are for one tensor only
    pub(super) own: Vec<(Tensor, TextureId)>,
}

impl Textures {
    /// The texture that `program` reads `tensor` from here, and whether it has to be copied there first. One that `lasts` is
    /// for this tensor only, if it is as narrow as can be.
    pub(super) fn find(&mut self, program: ProgramId, tensor: &Tensor, persists: bool) -> (TextureId, bool) {
        let held = self.derived.of(program);
        if let Some(at) = held.iter().position(|(other, _)| other.is(tensor)) {
            let entry = held.remove(at);
            held.push(entry);
            return (entry.1, false);
        }
        let texture = if persists && width(tensor.len()) == WIDTHS[0] {
            Self::own_of(&mut self.specs, &mut self.own, tensor)
        } else {
            Self::place_for(&mut self.specs, &self.own, tensor, held)
        };
        let spec = &mut self.specs[texture.0];
        spec.rows = spec.rows.max(rows(tensor.len()));
        held.retain(|(_, other)| *other != texture);
        held.push((*tensor, texture));
        (texture, true)
    }

    /// The texture that is for `tensor` only.
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

    /// Where `tensor` is to go, of the textures of its element and width: to one that is not `held`, else to a new one,
    /// else to one of the others, but never to the one that was read last, which the same dispatch may be about to read.
    /// Among several to the one that has to grow least, and of those to the smallest, so that large tensors share their
    /// textures.
    fn place_for(
        specs: &mut Vec<TextureSpec>,
        own: &[(Tensor, TextureId)],
        tensor: &Tensor,
        held: &[(Tensor, TextureId)],
    ) -> TextureId {
        let age = |texture: TextureId| held.iter().position(|(_, other)| *other == texture);
        let wanted = TextureSpec::of(tensor);
        let of_kind = (0..specs.len()).filter(|&at| specs[at].is_like(&wanted));
        let shared = |texture: &TextureId| own.iter().all(|(_, other)| other != texture);
        let kind: Vec<TextureId> = of_kind.map(TextureId).filter(shared).collect();
        let growth = |texture: TextureId| wanted.rows.saturating_sub(specs[texture.0].rows) / MIN_GROWTH_ROWS;
        let idle = kind.iter().copied().filter(|texture| age(*texture).is_none());
        let idle = idle.min_by_key(|texture| (growth(*texture), specs[texture.0].rows));
        let last = held.last().map(|(_, texture)| *texture);
        let others = || kind.iter().copied().filter(|texture| Some(*texture) != last);
        let old = || others().min_by_key(|texture| (growth(*texture), specs[texture.0].rows, age(*texture)));
        let full = kind.len() >= if wanted.width == WIDTHS[0] { MAX_SHARED_TEXTURES } else { 1 };
        idle.or_else(|| if full { old() } else { None }).unwrap_or_else(|| {
            specs.push(wanted);
            TextureId(specs.len() - 1)
        })
    }
}
