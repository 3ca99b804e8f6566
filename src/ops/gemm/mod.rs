//! The matrix product behind every layer: its sizes, its dispatch, and how a split sum is recorded.
//!
//! An op describes A, B and C by implementing [`Product`]. [`Gemm`] is one dispatch of it with one configuration of a core
//! ([`variant`]), and [`record`] records that dispatch, or two if the sum is split. The choice of a configuration is made
//! above, in [`tuning`](crate::ops::tuning).

mod candidates;
mod convolution;
pub mod epilogue;
pub(in crate::ops) mod operand_source;
pub mod split_k;
pub mod variant;

pub use convolution::{Convolution, Side};
pub use epilogue::Epilogue;

use crate::gpu::kernel::{Alias, Constant, Kernel, Source, Value};
use crate::gpu::{Op, Params, Plan, ProgramId, Shape, Tensor, textures};
use crate::wgsl;
use split_k::SplitK;
use variant::Variant;

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
    /// Whether the left and the right factor are K-major: four neighbours in memory are neighbours along K. If not, they
    /// are neighbours along M and along N.
    const K_MAJOR: [bool; 2];
    /// Its file.
    fn source() -> Source;
    /// The file that it shares with its gradients.
    fn shared() -> Source;
    /// The product's sizes.
    fn size(&self) -> Size;
    /// Shapes of the left operand, the right operand and the output.
    fn shapes(&self) -> [Shape; 3];
    /// Floating-point operations that count: taps on the padding do not.
    fn flops(&self) -> u64;
    /// The op as plain loops: calls `emit` with each output element's index and sum.
    fn twin(&self, left: &[f32], right: &[f32], emit: &mut dyn FnMut(usize, f64));
    /// The product as a convolution that the Winograd algorithm can compute, if it is one.
    fn convolution(&self) -> Option<Convolution> {
        None
    }
    /// Whether there are textures large enough for copies of both factors.
    fn fits_textures(&self) -> bool {
        let [left, right, _] = self.shapes();
        textures::fits(left.len()) && textures::fits(right.len())
    }
}

/// One dispatch of a product.
#[derive(Debug, Clone, Copy)]
pub struct Gemm<P> {
    /// sizes
    pub product: P,
    /// the core
    pub variant: Variant,
    /// parts of the sum; with more than one, the output is `[splits, out]`
    pub splits: u32,
    /// the epilogue of a sum that is not split
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
        let mut files = vec![P::source(), P::shared(), wgsl!("gemm/gemm.wgsl")];
        files.extend(self.epilogue.files());
        files.extend(self.variant.files());
        Kernel { name: P::source().kernel_name(), files }
    }

    fn params(&self) -> Vec<Constant> {
        self.product.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.variant.constants();
        all.extend(self.epilogue.constants(3));
        let [left, right] = P::K_MAJOR;
        all.push(("A_K_MAJOR", Value::Bool(left)));
        all.push(("B_K_MAJOR", Value::Bool(right)));
        all.push(("SPLITS", self.splits.into()));
        all.push(("K_PER_SPLIT", self.k_per_split().into()));
        all
    }

    fn type_aliases(&self) -> Vec<Alias> {
        self.variant.type_aliases()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [left, right, out] = self.product.shapes();
        let aux = self.epilogue.aux(out, self.product.size().n);
        let addend = self.epilogue.operands(out);
        let out = if self.splits > 1 { Shape::new(&[self.splits, out.len()]) } else { out };
        [("left", left), ("right", right), ("aux", aux), ("out", out)].into_iter().chain(addend).collect()
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("Left"), Some("Right"), Some("Aux"), Some("Out"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        let Size { m, n, planes, .. } = self.product.size();
        let [tile_m, tile_n, _] = self.variant.tile();
        u64::from(m.div_ceil(tile_m)) * u64::from(n.div_ceil(tile_n)) * u64::from(planes * self.splits)
    }

    fn reads_output(&self) -> bool {
        self.epilogue.accumulate
    }

    fn flops(&self) -> u64 {
        self.product.flops()
    }

    /// With splits, the first part has the whole sum and the others are zero. The factors are rounded if the core rounds
    /// them.
    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [left, right, aux, out, rest @ ..] = buffers else { panic!("gemm: {} operands", buffers.len()) };
        let addend: &[f32] = rest.first().map_or(&[], Vec::as_slice);
        let channels = self.product.size().n;
        let epilogue = if self.splits > 1 { Epilogue::NONE } else { self.epilogue };
        if self.splits > 1 {
            out.fill(0.0);
        }
        let [left, right] = [left, right].map(|factor| self.variant.factors().round(factor));
        self.product
            .twin(&left, &right, &mut |at, sum| epilogue.finish(out, at, sum, [aux, addend], channels));
    }
}

/// Operands of a product.
#[derive(Debug, Clone, Copy)]
pub struct Operands {
    /// A
    pub left: Tensor,
    /// B
    pub right: Tensor,
    /// bias or mask, if the epilogue reads one
    pub aux: Option<Tensor>,
    /// shaped and stored as C, if the epilogue adds one
    pub addend: Option<Tensor>,
    /// C
    pub out: Tensor,
}

/// Records `product` by the core `variant`: one dispatch, or two if the sum is split into parts in scratch memory.
pub fn record<P: Product>(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    (product, epilogue): (P, Epilogue),
    (variant, splits): (Variant, u32),
    operands: &Operands,
) {
    let Operands { left, right, aux, addend, out } = *operands;
    // an epilogue without aux gets four elements of the left operand: any binding that is read will do
    let spare = left.slice(0, 4);
    let aux = aux.unwrap_or(spare);
    if splits == 1 {
        let op = Gemm { product, variant, splits, epilogue };
        let bindings: Vec<Tensor> = [left, right, aux, out].into_iter().chain(addend).collect();
        plan.dispatch(program, label, op, &bindings);
    } else {
        let parts = plan.scratch(splits * out.len());
        let parts = Tensor { shape: Shape::new(&[splits, out.len()]), ..parts };
        let op = Gemm { product, variant, splits, epilogue: Epilogue::NONE };
        plan.dispatch(program, label, op, &[left, right, spare, parts]);
        let sum = SplitK::new(splits, out.len(), product.size().n, epilogue);
        let bindings: Vec<Tensor> = [parts, aux, out].into_iter().chain(addend).collect();
        plan.dispatch(program, format!("{label}, parts"), sum, &bindings);
    }
}
