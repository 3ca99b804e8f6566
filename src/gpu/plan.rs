//! Plans: the recorder of buffers, textures and programs. A plan is made once, without a device, and then replayed.
//!
//! A [`Plan`] has the size of every buffer and every [`Program`]; a [`Runner`](super::Runner) allocates them and runs the
//! programs, on the GPU ([`GpuRunner`](super::GpuRunner)) or by the CPU twins
//! ([`ReferenceRunner`](super::ReferenceRunner)). This file knows nothing of wgpu and nothing of networks.

use std::collections::HashMap;
use std::sync::Arc;

use super::capabilities::Capabilities;
use super::derived::{DerivedCache, Persistent};
use super::ids::{BufferId, ProgramId, TextureId};
use super::kernel::{self, Access, Reflection};
use super::op::{Dispatch, Op, fold};
use super::program::{Item, Program, TextureCopy};
use super::tensor::{Element, Shape, Tensor};
use super::textures::{self, TextureSpec, Textures};
use super::vec4s::vec4_files;

/// The use of a buffer: how it is bound, and whether its content outlives a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Parameters, moments, gradients.
    State,
    /// Values of one micro-batch.
    Activation,
    /// The step's uniform.
    Uniform,
}

/// A buffer to be allocated.
#[derive(Debug, Clone)]
pub struct BufferSpec {
    /// Shown by debuggers and in errors.
    pub label: String,
    /// 32-bit words.
    pub len: u64,
    /// The use.
    pub usage: Usage,
}

/// Buffers, textures and programs.
pub struct Plan {
    /// The buffers.
    pub buffers: Vec<BufferSpec>,
    /// The programs.
    pub programs: Vec<Program>,
    textures: Textures,
    /// whether kernels load and store vec4s as 64-bit integers, see `vec4s`
    packed_u64: bool,
    /// derived tensors in buffers
    derived: DerivedCache<Tensor>,
    persistent: Persistent,
    /// scratch buffers by slot
    scratch: Vec<BufferId>,
    composed: HashMap<String, (Arc<str>, Arc<Reflection>)>,
}

impl Plan {
    /// An empty plan, whose kernels access memory as suits `target`.
    pub fn of(target: &Capabilities) -> Self {
        Self {
            buffers: Vec::new(),
            programs: Vec::new(),
            textures: Textures::default(),
            packed_u64: target.packed_u64,
            derived: DerivedCache::default(),
            persistent: Persistent::default(),
            scratch: Vec::new(),
            composed: HashMap::new(),
        }
    }

    /// A new buffer of `len` 32-bit words.
    pub fn buffer(&mut self, label: impl Into<String>, len: u64, usage: Usage) -> BufferId {
        self.buffers.push(BufferSpec { label: label.into(), len, usage });
        BufferId(self.buffers.len() - 1)
    }

    /// Makes a buffer at least `len` 32-bit words long.
    pub fn grow(&mut self, buffer: BufferId, len: u64) {
        let spec = &mut self.buffers[buffer.0];
        spec.len = spec.len.max(len);
    }

    /// A new f32 tensor with a buffer of its own.
    pub fn tensor(&mut self, label: impl Into<String>, dims: &[u32]) -> Tensor {
        self.tensor_of(label, dims, Element::F32)
    }

    /// A new tensor of `element` with a buffer of its own.
    pub fn tensor_of(&mut self, label: impl Into<String>, dims: &[u32], element: Element) -> Tensor {
        let shape = Shape::new(dims);
        let buffer = self.buffer(label, element.words(shape.len().into()), Usage::Activation);
        Tensor { buffer, offset: 0, shape, element }
    }

    /// `len` f32 elements for the parts of one sum. Every caller gets the same memory, so the next caller's dispatches
    /// may overwrite it.
    pub fn scratch(&mut self, len: u32) -> Tensor {
        self.scratch_of(0, len)
    }

    /// [`Plan::scratch`] with separate memory for each `slot`, since one dispatch must not read and write one buffer.
    pub fn scratch_of(&mut self, slot: usize, len: u32) -> Tensor {
        while self.scratch.len() <= slot {
            let buffer = self.buffer(format!("scratch {}", self.scratch.len()), 0, Usage::Activation);
            self.scratch.push(buffer);
        }
        let buffer = self.scratch[slot];
        self.grow(buffer, len.into());
        Tensor { buffer, offset: 0, shape: Shape::new(&[len]), element: Element::F32 }
    }

    /// Starts a program; further dispatches are added to it by its id.
    pub fn program(&mut self, name: &'static str) -> ProgramId {
        self.programs.push(Program { name, items: Vec::new() });
        ProgramId(self.programs.len() - 1)
    }

    /// The program `id`.
    pub fn get(&self, id: ProgramId) -> &Program {
        &self.programs[id.0]
    }

    /// Records that `program` fills `buffer` with zeros here.
    pub fn clear(&mut self, program: ProgramId, buffer: BufferId) {
        self.programs[program.0].items.push(Item::Clear(buffer));
        self.invalidate(program, |tensor| tensor.buffer == buffer);
    }

    /// Records one dispatch of `op` on `bindings`.
    ///
    /// # Panics
    /// If a tensor's element count is not what the op's sizes say; the message names op, operand and shapes.
    pub fn dispatch(
        &mut self,
        program: ProgramId,
        label: impl Into<String>,
        op: impl Op,
        bindings: &[Tensor],
    ) {
        self.dispatch_boxed(program, label.into(), Box::new(op), bindings);
    }

    /// [`Plan::dispatch`] of a boxed op.
    ///
    /// # Panics
    /// As [`Plan::dispatch`].
    pub fn dispatch_boxed(
        &mut self,
        program: ProgramId,
        label: String,
        op: Box<dyn Op>,
        bindings: &[Tensor],
    ) {
        let mut kernel = op.kernel();
        let operands = op.operands();
        assert_eq!(operands.len(), bindings.len(), "{label}: {} takes {operands:?}", kernel.name);
        for ((name, shape), tensor) in operands.iter().zip(bindings) {
            assert_eq!(
                shape.len(),
                tensor.len(),
                "{label}: {}'s {name} should be {shape} and is {}",
                kernel.name,
                tensor.shape
            );
        }
        let groups = fold(op.groups());
        let (mut aliases, mut widths) = (op.type_aliases(), Vec::new());
        for (at, (tensor, (name, _))) in bindings.iter().zip(&operands).enumerate() {
            match op.element_aliases().get(at).copied().flatten() {
                Some(alias) => match aliases.iter().find(|(name, _)| *name == alias) {
                    Some((_, element)) => assert_eq!(*element, tensor.element, "{label}: {alias}"),
                    None => {
                        aliases.push((alias, tensor.element));
                        widths.push((alias, textures::width(tensor.len())));
                    }
                },
                None => assert_eq!(tensor.element, Element::F32, "{label}: {}'s {name}", kernel.name),
            }
        }
        let vec4s = vec4_files(&kernel, self.packed_u64, &mut aliases);
        kernel.files.extend(vec4s);
        let text = kernel::compose(&kernel, &op.params(), &op.constants(), &aliases, &widths, groups[0]);
        let (source, reflection) = self
            .composed
            .entry(text)
            .or_insert_with_key(|text| (text.as_str().into(), Arc::new(kernel::reflect(kernel.name, text))))
            .clone();
        let bindings = bindings.to_vec();
        let bound = bindings.iter().zip(&reflection.bindings);
        let textures = bound.map(|(tensor, (name, access))| {
            matches!(access, Access::Texture(_))
                .then(|| self.texture(program, &format!("{label}, {name}"), tensor))
        });
        let textures = textures.collect();
        let dispatch =
            Dispatch { label, kernel: kernel.name, source, reflection, bindings, textures, groups, op };
        for tensor in dispatch.written() {
            self.invalidate(program, |other| other.overlaps(tensor));
        }
        self.programs[program.0].items.push(Item::Dispatch(dispatch));
    }

    /// Invalidates every entry of `program` whose source or result it has just `written`.
    fn invalidate(&mut self, program: ProgramId, written: impl Fn(&Tensor) -> bool) {
        self.textures.derived.invalidate(program, |tensor, _| written(tensor));
        self.derived.invalidate(program, |tensor, derived| written(tensor) || written(derived));
    }

    /// Whether `derived` is an up-to-date derivation of `tensor` at this point of `program`. The kind of derivation is not
    /// compared, so a pair of tensors must have only one.
    pub(crate) fn has_derived(&mut self, program: ProgramId, tensor: &Tensor, derived: &Tensor) -> bool {
        let is = |(from, to): &(Tensor, Tensor)| from.is(tensor) && to.is(derived);
        self.derived.of(program).iter().any(is)
    }

    /// Notes that `program` has just derived `derived` from `tensor`.
    pub(crate) fn insert_derived(&mut self, program: ProgramId, tensor: Tensor, derived: Tensor) {
        self.derived.of(program).push((tensor, derived));
    }

    /// Gives everything derived from `buffer` from here on its own memory, so that later programs can
    /// [inherit](Plan::inherit_derived) it.
    pub fn persist_derived_of(&mut self, buffer: BufferId) {
        self.persistent.sources.push(buffer);
    }

    /// A buffer of `len` f32 elements for a tensor derived from `tensor`, or the reverse: a dedicated one if derived
    /// tensors of it persist, else scratch `slot`.
    pub(crate) fn derived_buffer(&mut self, tensor: &Tensor, slot: usize, len: u32) -> Tensor {
        if !self.persistent.has(tensor) {
            return self.scratch_of(slot, len);
        }
        let shape = Shape::new(&[len]);
        let fits = |derived: &BufferId| self.buffers[derived.index()].len == u64::from(len);
        let known = self.persistent.derived.iter().find(|(of, derived)| of.is(tensor) && fits(derived));
        let buffer = known.map(|(_, derived)| *derived).unwrap_or_else(|| {
            let label =
                format!("derived from {} at {}", self.buffers[tensor.buffer.index()].label, tensor.offset);
            let buffer = self.buffer(label, len.into(), Usage::Activation);
            self.persistent.derived.push((*tensor, buffer));
            buffer
        });
        Tensor { buffer, offset: 0, shape, element: Element::F32 }
    }

    /// Declares that the empty `program` runs after all of `before` and that nothing writes a persistent source in between.
    /// It starts with their valid persistent entries.
    ///
    /// # Panics
    /// If `program` is not empty, or one of `before` writes a persistent source.
    pub fn inherit_derived(&mut self, program: ProgramId, before: &[ProgramId]) {
        let name = self.get(program).name;
        assert!(self.get(program).items.is_empty(), "{name}: something is recorded already");
        for &earlier in before {
            let name = self.get(earlier).name;
            let writes = self.get(earlier).writes_to(&self.persistent.sources);
            assert!(!writes, "{name} writes to a source of persistent derived tensors");
            self.textures.inherit(program, earlier);
            self.derived.inherit(program, earlier, |tensor| self.persistent.has(tensor));
        }
    }

    /// A texture with a copy of `tensor` at this point of `program`.
    fn texture(&mut self, program: ProgramId, label: &str, tensor: &Tensor) -> TextureId {
        let whole =
            tensor.len().is_multiple_of(4) && tensor.offset.is_multiple_of(4) && textures::fits(tensor.len());
        assert!(whole, "{label}: {} at element {} fits no texture", tensor.shape, tensor.offset);
        let (texture, stale) = self.textures.find(program, tensor, self.persistent.has(tensor));
        if stale {
            let copy = TextureCopy { label: label.to_owned(), tensor: *tensor, texture };
            self.programs[program.0].items.push(Item::TextureCopy(copy));
        }
        texture
    }

    /// The textures that its kernels read.
    pub fn textures(&self) -> &[TextureSpec] {
        &self.textures.specs
    }

    /// Bytes of all buffers and textures.
    pub fn bytes(&self) -> u64 {
        let textures: u64 = self.textures().iter().map(TextureSpec::bytes).sum();
        textures + self.buffers.iter().map(|b| 4 * b.len).sum::<u64>()
    }

    /// Different kernels after composition: pipelines to compile.
    pub fn pipelines(&self) -> usize {
        self.composed.len()
    }
}
