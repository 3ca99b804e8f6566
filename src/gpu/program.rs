//! Plan once, replay: buffers and lists of dispatches, recorded without a device.
//!
//! A [`Plan`] owns every buffer's size and every [`Program`]; a [`Runner`] gives them memory and runs them,
//! on the GPU ([`GpuRunner`](super::GpuRunner)) or on the CPU twins ([`ReferenceRunner`](super::ReferenceRunner)).
//! This file knows nothing of wgpu and nothing of networks.

use std::collections::HashMap;
use std::sync::Arc;

use super::adapter::Capabilities;
use super::derived::DerivedCache;
use super::kernel::{self, Access, Alias, Constant, Kernel, Reflection, Source};
use super::persistent::Persistent;
use super::profile::Timings;
use super::tensor::{BufferId, Element, Shape, Tensor};
use super::textures::{self, TextureId, TextureSpec, Textures};
use crate::error::{Error, Result};
use crate::wgsl;

/// Workgroups per dimension that WebGPU promises.
pub const MAX_GROUPS: u32 = 65_535;

/// One operation with its sizes: what a dispatch of it needs to know.
pub trait Op: Send + Sync + 'static {
    /// The kernel's files.
    fn kernel(&self) -> Kernel;
    /// Name and value of each field of its `struct Params`, in order.
    fn params(&self) -> Vec<Constant>;
    /// Further `const` lines of the header.
    fn constants(&self) -> Vec<Constant> {
        Vec::new()
    }
    /// Name and shape of each binding in order. Uniforms are named `step`.
    fn operands(&self) -> Vec<(&'static str, Shape)>;
    /// For each operand that may be f32 or f16, in the order of the operands, what its file calls the type of the
    /// elements; the others, and all that are not listed, are 32 bits wide.
    fn aliases(&self) -> &'static [Option<&'static str>] {
        &[]
    }
    /// Further `alias` lines of the header.
    fn types(&self) -> Vec<Alias> {
        Vec::new()
    }
    /// Workgroups, in one row.
    fn groups(&self) -> u64;
    /// Floating-point operations.
    fn flops(&self) -> u64;
    /// Whether what it writes to is read first, so that it moves twice.
    fn updates(&self) -> bool {
        false
    }
    /// Bytes that must move at least, where that is neither every operand once nor what it updates twice.
    fn bytes(&self) -> Option<u64> {
        None
    }
    /// The same on the CPU: plain loops, `f64` sums. `buffers` are the bindings in order; words that are not
    /// floats (pixels, uniforms) are there as their bits.
    fn twin(&self, buffers: &mut [Vec<f32>]);
}

/// One dispatch of a program.
pub struct Dispatch {
    /// What it does in the network: `encoder.2 forward`.
    pub label: String,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The kernel as composed for these sizes.
    pub source: Arc<str>,
    /// What naga reads off it.
    pub reflection: Arc<Reflection>,
    /// The tensors bound, in binding order.
    pub bindings: Vec<Tensor>,
    /// For each binding that the kernel reads as a texture, which.
    pub textures: Vec<Option<TextureId>>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// The operation, for its twin and its cost.
    pub op: Box<dyn Op>,
}

impl Dispatch {
    /// Floating-point operations.
    pub fn flops(&self) -> u64 {
        self.op.flops()
    }

    /// The tensors that it writes to.
    pub fn written(&self) -> impl Iterator<Item = &Tensor> {
        let bound = self.bindings.iter().zip(&self.reflection.bindings);
        bound.filter(|(_, (_, access))| *access == Access::ReadWrite).map(|(tensor, _)| tensor)
    }

    /// Least bytes: what has to move at least, every operand counted once, or twice where it is read and written. A
    /// kernel that fetches an operand again and finds it in no cache moves more.
    pub fn bytes(&self) -> u64 {
        let updates = self.op.updates();
        let bindings = self.bindings.iter().zip(&self.reflection.bindings);
        let moved = bindings.map(|(tensor, (_, access))| match access {
            Access::ReadWrite if updates => 2 * tensor.bytes(),
            _ => tensor.bytes(),
        });
        self.op.bytes().unwrap_or_else(|| moved.sum())
    }
}

/// One entry of a program.
pub enum Item {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Fills a buffer with zeros.
    Clear(BufferId),
    /// Copies a tensor to a texture.
    TextureCopy(TextureCopy),
}

/// One copy of a tensor to a texture.
pub struct TextureCopy {
    /// Who reads it, and as what: `encoder.2 forward, left`.
    pub label: String,
    /// What is copied.
    pub tensor: Tensor,
    /// Where to.
    pub texture: TextureId,
}

/// A list of dispatches to replay.
#[derive(Default)]
pub struct Program {
    /// What it computes: `train`, `decode`.
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
}

/// Which program of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub(crate) usize);

/// What a buffer is for: how it is bound and whether its content outlives a run.
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
    /// Words of 32 bits.
    pub len: u64,
    /// What it is for.
    pub usage: Usage,
}

/// Buffers and programs.
pub struct Plan {
    /// The buffers.
    pub buffers: Vec<BufferSpec>,
    /// The programs.
    pub programs: Vec<Program>,
    pub(super) textures: Textures,
    /// whether vec4s are words of 64 bits, see `vec4s`
    packed_u64: bool,
    /// tensors made of others
    pub(super) derived: DerivedCache<Tensor>,
    pub(super) persistent: Persistent,
    /// by slot
    scratch: Vec<BufferId>,
    composed: HashMap<String, (Arc<str>, Arc<Reflection>)>,
}

impl Plan {
    /// An empty plan for `target`, whose kernels access memory as suits it.
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

    /// A new buffer of `len` words of 32 bits.
    pub fn buffer(&mut self, label: impl Into<String>, len: u64, usage: Usage) -> BufferId {
        self.buffers.push(BufferSpec { label: label.into(), len, usage });
        BufferId(self.buffers.len() - 1)
    }

    /// A new buffer that is one tensor.
    pub fn tensor(&mut self, label: impl Into<String>, dims: &[u32]) -> Tensor {
        self.tensor_of(label, dims, Element::F32)
    }

    /// The same of other elements.
    pub fn tensor_of(&mut self, label: impl Into<String>, dims: &[u32], element: Element) -> Tensor {
        let shape = Shape::new(dims);
        let buffer = self.buffer(label, element.words(shape.len().into()), Usage::Activation);
        Tensor { buffer, offset: 0, shape, element }
    }

    /// `len` elements for the parts of one sum: every caller gets the same memory, so the next call's dispatches
    /// may overwrite it.
    pub fn scratch(&mut self, len: u32) -> Tensor {
        self.scratch_of(0, len)
    }

    /// The same in a memory of its own for each `slot`: what one dispatch reads and writes must not be one buffer.
    pub fn scratch_of(&mut self, slot: usize, len: u32) -> Tensor {
        while self.scratch.len() <= slot {
            let buffer = self.buffer(format!("scratch {}", self.scratch.len()), 0, Usage::Activation);
            self.scratch.push(buffer);
        }
        let buffer = self.scratch[slot];
        let spec = &mut self.buffers[buffer.0];
        spec.len = spec.len.max(len.into());
        Tensor { buffer, offset: 0, shape: Shape::new(&[len]), element: Element::F32 }
    }

    /// Makes a buffer at least `len` words of 32 bits long.
    pub fn grow(&mut self, buffer: BufferId, len: u64) {
        let spec = &mut self.buffers[buffer.0];
        spec.len = spec.len.max(len);
    }

    /// Starts a program; further dispatches go to it by its id.
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
        self.written(program, |tensor| tensor.buffer == buffer);
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

    /// [`Plan::dispatch`] of an op whose type is not known.
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
        let (mut aliases, mut widths) = (op.types(), Vec::new());
        for (at, (tensor, (name, _))) in bindings.iter().zip(&operands).enumerate() {
            match op.aliases().get(at).copied().flatten() {
                Some(alias) => {
                    aliases.push((alias, tensor.element));
                    widths.push((alias, textures::width(tensor.len())));
                }
                None => assert_eq!(tensor.element, Element::F32, "{label}: {}'s {name}", kernel.name),
            }
        }
        let vec4s = vec4s(&kernel, self.packed_u64, &mut aliases);
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
            self.written(program, |other| other.overlaps(tensor));
        }
        self.programs[program.0].items.push(Item::Dispatch(dispatch));
    }

    /// `program` has written to tensors that `new` knows: what was made of them is old, and so is what they were made to be.
    fn written(&mut self, program: ProgramId, new: impl Fn(&Tensor) -> bool) {
        self.textures.derived.invalidate(program, |tensor, _| new(tensor));
        self.derived.invalidate(program, |tensor, made| new(tensor) || new(made));
    }

    /// Whether `made` holds what `program` made of `tensor`, neither written since. There must be one way only to make one
    /// of the other: what else it depends on is not compared.
    pub(crate) fn has_derived(&mut self, program: ProgramId, tensor: &Tensor, made: &Tensor) -> bool {
        let is = |(from, to): &(Tensor, Tensor)| from.is(tensor) && to.is(made);
        self.derived.of(program).iter().any(is)
    }

    /// `program` has just made `made` of `tensor`.
    pub(crate) fn insert_derived(&mut self, program: ProgramId, tensor: Tensor, made: Tensor) {
        self.derived.of(program).push((tensor, made));
    }

    /// An texture that holds `tensor` where `program` has come to.
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

/// The files that say what the kernel's `Vec4` is, four elements of what it writes, and its `AuxVec4`, four of a bias or a
/// mask. What has no name for their type is f32.
fn vec4s(kernel: &Kernel, packed_u64: bool, aliases: &mut Vec<Alias>) -> Vec<Source> {
    let kinds = [
        ("<Vec4>", "Out", wgsl!("common/vec4s.wgsl"), wgsl!("common/vec4s_packed.wgsl")),
        ("<AuxVec4>", "Aux", wgsl!("common/aux_vec4s.wgsl"), wgsl!("common/aux_vec4s_packed.wgsl")),
    ];
    let mut files = Vec::new();
    for (_, alias, as_is, packed) in kinds.into_iter().filter(|(bound, ..)| kernel.mentions(bound)) {
        let named = aliases.iter().find(|(name, _)| *name == alias).map(|(_, element)| *element);
        let element = named.unwrap_or_else(|| {
            aliases.push((alias, Element::F32));
            Element::F32
        });
        files.push(if packed_u64 && element == Element::F32 { packed } else { as_is });
    }
    if kinds.iter().any(|(.., packed)| files.contains(packed)) {
        files.push(wgsl!("common/packed_u64.wgsl"));
    }
    files
}

/// Folds a row of workgroups into two dimensions where it is longer than WebGPU allows; kernels skip the rest.
pub fn fold(groups: u64) -> [u32; 3] {
    let groups = groups.max(1);
    let y = groups.div_ceil(u64::from(MAX_GROUPS));
    let x = groups.div_ceil(y);
    assert!(y <= u64::from(MAX_GROUPS), "{groups} workgroups do not fit two dimensions");
    [x as u32, y as u32, 1]
}

/// Memory for a plan's buffers, and something that runs its programs on them.
pub trait Runner {
    /// Copies `words` (32-bit, two elements of an f16 tensor each) to the start of `tensor`.
    fn write(&mut self, tensor: &Tensor, words: &[u32]);
    /// Runs the programs in order.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn run(&mut self, programs: &[ProgramId]) -> Result<()>;
    /// Waits for everything before it and copies `tensor` back.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>>;
    /// Asks for a small tensor as it is now, without waiting; it comes out of [`Runner::poll_readbacks`] with `tag`.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn request_readback(&mut self, tensor: &Tensor, tag: u64) -> Result<()>;
    /// What has come back of what was asked for, in order; with `wait`, everything.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn poll_readbacks(&mut self, wait: bool) -> Result<Vec<(u64, Vec<f32>)>>;
    /// The plan that it runs.
    fn plan(&self) -> &Plan;
    /// The adapter's name, for reports.
    fn name(&self) -> String;

    /// For tests: loses the device, as a driver or a cable may.
    #[doc(hidden)]
    fn lose_device(&mut self) {}

    /// How often it has handed work to the device since it was made.
    fn submits(&self) -> u64 {
        0
    }

    /// Switches the recording of times on, from nothing, or off. What is recorded is the time of every dispatch;
    /// runs take longer meanwhile and compute the same bits.
    ///
    /// # Errors
    /// If the device is lost or refuses, or the runner has no times to record.
    fn profile(&mut self, on: bool) -> Result<()> {
        let refusal = || Error::Usage(format!("{} does not time its dispatches", self.name()));
        if on { Err(refusal()) } else { Ok(()) }
    }

    /// Waits for everything and hands out what has been recorded since the last call; nothing if recording is off.
    ///
    /// # Errors
    /// If the device is lost or refuses.
    fn timings(&mut self) -> Result<Timings> {
        Ok(Timings::default())
    }

    /// [`Runner::write`] of floats, as the tensor's elements.
    fn write_f32(&mut self, tensor: &Tensor, values: &[f32]) {
        match tensor.element {
            Element::F32 => self.write(tensor, bytemuck::cast_slice(values)),
            Element::F16 => self.write(tensor, &tensor.element.pack(values)),
        }
    }
}
