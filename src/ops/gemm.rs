//! The matrix product behind every layer: sizes, variants of its core, split reductions, epilogues.
//!
//! An op says what A, B and C are by implementing [`Product`]; [`Gemm`] makes a dispatch of it, and
//! [`record`] decides how: which core, how many parts of the sum, and whether a second pass adds them.

use super::reduce::SplitSum;
use crate::gpu::kernel::{Constant, Kernel, Source, Value};
use crate::gpu::program::{Op, Plan, ProgramId};
use crate::gpu::{Params, Shape, Target, Tensor};
use crate::wgsl;

/// A form of the GEMM core: a file and its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `gemm_tile.wgsl`: `threads_m * threads_n` invocations of 8 x 8 outputs each, tiles in workgroup memory.
    Tile {
        /// invocations along M
        threads_m: u32,
        /// invocations along N
        threads_n: u32,
        /// depth of a tile, a multiple of 4
        tile_k: u32,
    },
    /// `gemm_subgroup.wgsl`: one subgroup per tile, rows of A handed round by broadcasts.
    Subgroup {
        /// the subgroup size: 4 or 8
        lanes: u32,
    },
}

impl Variant {
    /// The 64 x 64 tile that every adapter can run.
    pub const PLAIN: Self = Self::Tile { threads_m: 8, threads_n: 8, tile_k: 16 };
    /// For products with only a few columns: 512 x 8.
    pub const NARROW: Self = Self::Tile { threads_m: 64, threads_n: 1, tile_k: 4 };

    /// Rows, columns and depth of a tile.
    pub fn tile(self) -> [u32; 3] {
        match self {
            Self::Tile { threads_m, threads_n, tile_k } => [8 * threads_m, 8 * threads_n, tile_k],
            Self::Subgroup { lanes } => [8 * lanes, 4 * lanes, 4],
        }
    }

    fn core(self) -> Source {
        match self {
            Self::Tile { .. } => wgsl!("gemm_tile.wgsl"),
            Self::Subgroup { .. } => wgsl!("gemm_subgroup.wgsl"),
        }
    }

    fn constants(self) -> Vec<Constant> {
        match self {
            Self::Tile { threads_m, threads_n, tile_k } => vec![
                ("THREADS_M", threads_m.into()),
                ("THREADS_N", threads_n.into()),
                ("TILE_K", tile_k.into()),
            ],
            Self::Subgroup { lanes } => vec![("LANES", lanes.into())],
        }
    }

    /// The variants that `target` can run, the plain one first.
    pub fn all(target: &Target) -> Vec<Self> {
        let mut all = vec![Self::PLAIN, Self::NARROW];
        all.extend(subgroup(target));
        all
    }
}

fn subgroup(target: &Target) -> Option<Variant> {
    target.lanes.filter(|lanes| [4, 8].contains(lanes)).map(|lanes| Variant::Subgroup { lanes })
}

/// What happens to a finished sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epilogue {
    /// nothing
    #[default]
    None,
    /// add the bias
    Bias,
    /// add the bias, then ReLU
    BiasRelu,
    /// zero where the mask (the output of a ReLU) is not positive: ReLU's derivative
    Mask,
    /// add to what the output holds
    Accumulate,
}

impl Epilogue {
    /// The switches of `epilogue.wgsl`.
    pub fn constants(self) -> Vec<Constant> {
        vec![
            ("BIAS", Value::Bool(matches!(self, Self::Bias | Self::BiasRelu))),
            ("RELU", Value::Bool(self == Self::BiasRelu)),
            ("MASK", Value::Bool(self == Self::Mask)),
            ("ACCUMULATE", Value::Bool(self == Self::Accumulate)),
        ]
    }

    /// What `aux` must be: the bias of `channels`, the mask shaped as `out`, or any one vec4.
    pub fn aux(self, out: Shape, channels: u32) -> Shape {
        match self {
            Self::Bias | Self::BiasRelu => Shape::new(&[channels]),
            Self::Mask => out,
            Self::None | Self::Accumulate => Shape::new(&[4]),
        }
    }

    /// The twin of `epilogue.wgsl`: finishes element `at` of `out`, whose rows hold `channels`.
    pub fn finish(self, out: &mut [f32], at: usize, sum: f64, aux: &[f32], channels: u32) {
        let bias = || f64::from(aux[at % channels as usize]);
        let value = match self {
            Self::None => sum,
            Self::Bias => sum + bias(),
            Self::BiasRelu => (sum + bias()).max(0.0),
            Self::Mask if aux[at] > 0.0 => sum,
            Self::Mask => 0.0,
            Self::Accumulate => sum + f64::from(out[at]),
        };
        out[at] = value as f32;
    }
}

/// `planes` independent products of `m x k` by `k x n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// rows of C
    pub m: u32,
    /// columns of C, the channels of the output
    pub n: u32,
    /// length of the sums
    pub k: u32,
    /// independent products
    pub planes: u32,
}

/// An op that is a matrix product.
pub trait Product: Params {
    /// Its file.
    fn source() -> Source;
    /// The product's sizes.
    fn size(&self) -> Size;
    /// Name and shape of the left operand, the right operand and the output.
    fn shapes(&self) -> [(&'static str, Shape); 3];
    /// Floating-point operations that count: taps on the padding do not.
    fn flops(&self) -> u64;
    /// The op as plain loops: calls `emit` with each output element's index and sum.
    fn twin(&self, left: &[f32], right: &[f32], emit: &mut dyn FnMut(usize, f64));
}

/// One dispatch of a product.
#[derive(Debug, Clone, Copy)]
pub struct Gemm<P> {
    /// sizes
    pub product: P,
    /// the core
    pub variant: Variant,
    /// parts of the sum; with more than one, the output holds `[splits, out]`
    pub splits: u32,
    /// without splits, what happens to a sum
    pub epilogue: Epilogue,
}

impl<P: Product> Gemm<P> {
    fn k_per_split(&self) -> u32 {
        let depth = self.variant.tile()[2].max(16);
        self.product.size().k.div_ceil(self.splits).next_multiple_of(depth)
    }
}

impl<P: Product> Op for Gemm<P> {
    fn kernel(&self) -> Kernel {
        let files = vec![P::source(), wgsl!("gemm.wgsl"), wgsl!("epilogue.wgsl"), self.variant.core()];
        Kernel { name: P::source().name.trim_end_matches(".wgsl"), files }
    }

    fn params(&self) -> Vec<Constant> {
        self.product.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.variant.constants();
        all.extend(self.epilogue.constants());
        all.push(("SPLITS", self.splits.into()));
        all.push(("K_PER_SPLIT", self.k_per_split().into()));
        all
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [left, right, (name, out)] = self.product.shapes();
        let aux = ("aux", self.epilogue.aux(out, self.product.size().n));
        let out = if self.splits > 1 { Shape::new(&[self.splits, out.len()]) } else { out };
        vec![left, right, aux, (name, out)]
    }

    fn groups(&self) -> u64 {
        let Size { m, n, planes, .. } = self.product.size();
        let [tile_m, tile_n, _] = self.variant.tile();
        u64::from(m.div_ceil(tile_m)) * u64::from(n.div_ceil(tile_n)) * u64::from(planes * self.splits)
    }

    fn flops(&self) -> u64 {
        self.product.flops()
    }

    /// With splits, the whole sum stands in the first part and the others are zero.
    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [left, right, aux, out] = buffers else { panic!("gemm: {} operands", buffers.len()) };
        let channels = self.product.size().n;
        let epilogue = if self.splits > 1 { Epilogue::None } else { self.epilogue };
        if self.splits > 1 {
            out.fill(0.0);
        }
        self.product.twin(left, right, &mut |at, sum| epilogue.finish(out, at, sum, aux, channels));
    }
}

/// How products are cut up on one adapter.
#[derive(Debug, Clone)]
pub struct Tuning {
    subgroup: Option<Variant>,
    /// workgroups that keep the adapter busy
    busy: u64,
}

/// Least length of a part of a split sum.
const MIN_SPLIT: u32 = 256;
/// Most bytes of the parts of one split sum.
const MAX_PARTS_BYTES: u64 = 64 << 20;

impl Tuning {
    /// Good choices for `target`: workgroup tiles on a GPU, subgroup tiles on a software adapter.
    pub fn of(target: &Target) -> Self {
        let busy = if target.software { 8 } else { 512 };
        Self { subgroup: if target.software { subgroup(target) } else { None }, busy }
    }

    /// The core and the parts of the sum for a product whose output has `out` elements.
    pub fn choose(&self, size: Size, out: u32) -> (Variant, u32) {
        let variant = match self.subgroup {
            Some(variant) => variant,
            None if size.n <= 8 => Variant::NARROW,
            None => Variant::PLAIN,
        };
        let [tile_m, tile_n, _] = variant.tile();
        let tiles = u64::from(size.m.div_ceil(tile_m)) * u64::from(size.n.div_ceil(tile_n) * size.planes);
        let wanted = self.busy.div_ceil(tiles);
        let longest = u64::from(size.k / MIN_SPLIT).max(1);
        let largest = (MAX_PARTS_BYTES / (4 * u64::from(out))).max(1);
        (variant, wanted.min(longest).min(largest) as u32)
    }
}

/// Operands of a product: left, right, what the epilogue reads (if anything), and the output.
#[derive(Debug, Clone, Copy)]
pub struct Operands {
    /// A
    pub left: Tensor,
    /// B
    pub right: Tensor,
    /// bias or mask
    pub aux: Option<Tensor>,
    /// C
    pub out: Tensor,
}

/// Records `product` with `epilogue`: one dispatch, or two where the sum is split over a scratch buffer.
pub fn record<P: Product>(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    tuning: &Tuning,
    (product, epilogue): (P, Epilogue),
    operands: &Operands,
) {
    let Operands { left, right, aux, out } = *operands;
    let size = product.size();
    let (variant, splits) = tuning.choose(size, out.len());
    // an op that needs no aux gets four elements of its left operand: any binding that is read will do
    let spare = left.slice(0, 4);
    let aux = aux.unwrap_or(spare);
    if splits == 1 {
        let op = Gemm { product, variant, splits, epilogue };
        plan.dispatch(program, label, op, &[left, right, aux, out]);
    } else {
        let parts = plan.scratch(splits * out.len());
        let parts = Tensor { shape: Shape::new(&[splits, out.len()]), ..parts };
        let op = Gemm { product, variant, splits, epilogue: Epilogue::None };
        plan.dispatch(program, label, op, &[left, right, spare, parts]);
        let sum = SplitSum::new(splits, out.len(), size.n, epilogue);
        plan.dispatch(program, format!("{label}, parts"), sum, &[parts, aux, out]);
    }
}
