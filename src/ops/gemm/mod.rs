//! The matrix product behind every layer: sizes, variants of its core, split reductions, epilogues.
//!
//! An op says what A, B and C are by implementing [`Product`]; [`Gemm`] makes a dispatch of it in one form,
//! and [`record`] asks the tuning which: which core, how many parts of the sum. The cores are in
//! [`variant`](variant).

pub mod epilogue;
pub(in crate::ops) mod operand_source;
pub mod variant;

pub use epilogue::Epilogue;

use crate::gpu::kernel::{Alias, Constant, Kernel, Source, Value};
use crate::gpu::{Capabilities, Element, Params, Shape, Tensor, textures};
use crate::gpu::{Op, Plan, ProgramId};
use crate::ops::split_k::SplitK;
use crate::ops::tolerance::Tolerance;
use crate::ops::tuning::{KernelConfig, Tunable, Tuning, key, max_splits};
use crate::ops::winograd::{Winograd, each_product};
use crate::wgsl;
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
    /// Whether four neighbours in memory of the left and of the right factor follow each other along K; if not, they
    /// do along M and along N.
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
    /// The same by way of points, for convolutions.
    fn winograd(&self) -> Option<Winograd> {
        None
    }
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
        let mut files = vec![P::source(), P::shared(), wgsl!("gemm/gemm.wgsl"), wgsl!("gemm/epilogue.wgsl")];
        files.extend(self.variant.files());
        Kernel { name: P::source().kernel_name(), files }
    }

    fn params(&self) -> Vec<Constant> {
        self.product.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.variant.constants();
        all.extend(self.epilogue.constants());
        let [left, right] = P::K_MAJOR;
        all.push(("A_K_MAJOR", Value::Bool(left)));
        all.push(("B_K_MAJOR", Value::Bool(right)));
        all.push(("SPLITS", self.splits.into()));
        all.push(("K_PER_SPLIT", self.k_per_split().into()));
        all
    }

    fn type_aliases(&self) -> Vec<Alias> {
        self.variant.types()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [left, right, out] = self.product.shapes();
        let aux = self.epilogue.aux(out, self.product.size().n);
        let out = if self.splits > 1 { Shape::new(&[self.splits, out.len()]) } else { out };
        vec![("left", left), ("right", right), ("aux", aux), ("out", out)]
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("Left"), Some("Right"), Some("Aux"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        let Size { m, n, planes, .. } = self.product.size();
        let [tile_m, tile_n, _] = self.variant.tile();
        u64::from(m.div_ceil(tile_m)) * u64::from(n.div_ceil(tile_n)) * u64::from(planes * self.splits)
    }

    fn reads_output(&self) -> bool {
        self.epilogue == Epilogue::Accumulate
    }

    fn flops(&self) -> u64 {
        self.product.flops()
    }

    /// With splits, the whole sum stands in the first part and the others are zero. A core whose factors are
    /// rounded on their way has them rounded here too.
    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [left, right, aux, out] = buffers else { panic!("gemm: {} operands", buffers.len()) };
        let channels = self.product.size().n;
        let epilogue = if self.splits > 1 { Epilogue::None } else { self.epilogue };
        if self.splits > 1 {
            out.fill(0.0);
        }
        let [left, right] = [left, right].map(|factor| self.variant.factors().round(factor));
        self.product.twin(&left, &right, &mut |at, sum| epilogue.finish(out, at, sum, aux, channels));
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

/// A product and what happens to its sums, in whatever form.
#[derive(Debug, Clone, Copy)]
pub struct Fused<P> {
    /// sizes
    pub product: P,
    /// what happens to a sum
    pub epilogue: Epilogue,
    /// what left, right, aux and out are made of
    pub elements: [Element; 4],
}

impl<P: Product> Fused<P> {
    /// All in f32.
    pub fn plain(product: P, epilogue: Epilogue) -> Self {
        Self { product, epilogue, elements: [Element::F32; 4] }
    }

    /// F16 where a factor is: only then may a core round the other one too.
    fn precision(&self) -> Element {
        if self.elements[..2].contains(&Element::F16) { Element::F16 } else { Element::F32 }
    }

    /// Whether a texture can hold a factor, of both.
    pub(super) fn fit_textures(&self) -> bool {
        let [left, right, _] = self.product.shapes();
        textures::fits(left.len()) && textures::fits(right.len())
    }

    /// The way by points, which are kept in f32.
    pub(super) fn by_winograd(&self) -> Option<Winograd> {
        if self.elements == [Element::F32; 4] { self.product.winograd() } else { None }
    }

    /// For the operands of one dispatch.
    fn new(product: P, epilogue: Epilogue, operands: &Operands) -> Self {
        let Operands { left, right, aux, out } = *operands;
        let elements = [left, right, aux.unwrap_or(left), out].map(|tensor| tensor.element);
        Self { product, epilogue, elements }
    }
}

impl<P: Product> Tunable for Fused<P> {
    fn key(&self) -> String {
        let kernel = P::source().kernel_name();
        let all = self.elements.map(Element::name).join("-");
        let elements = if self.elements == [Element::F32; 4] { String::new() } else { format!(" {all}") };
        // a single linear layer is called as if there were no others
        let sizes = self.product.values().into_iter().filter(|size| *size != ("planes", Value::U32(1)));
        format!("{} {:?}{elements}", key(kernel, &sizes.collect::<Vec<_>>()), self.epilogue)
    }

    /// Every core, whole and with its sum cut so that there are about 64, 256 and 1024 workgroups.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig> {
        let size = self.product.size();
        let [_, _, out] = self.product.shapes();
        let most = max_splits(size, out.len());
        let mut candidates = Vec::new();
        for variant in Variant::all(target, self.precision()) {
            let [tile_m, tile_n, _] = variant.tile();
            let promises = variant.promises(target);
            if variant != Variant::PLAIN && !promises || variant.textures() && !self.fit_textures() {
                continue;
            }
            if variant.for_small_m() && size.m > tile_m {
                continue;
            }
            // a tile twice as wide as the product would idle more than half the time
            if variant != Variant::PLAIN && (tile_n >= 2 * size.n.max(8) || tile_m >= 4 * size.m.max(16)) {
                continue;
            }
            let tiles = size.m.div_ceil(tile_m) * size.n.div_ceil(tile_n) * size.planes;
            let wanted: &[u32] = if target.software { &[8] } else { &[64, 256, 1024] };
            let mut splits: Vec<u32> = wanted.iter().map(|w| w.div_ceil(tiles).min(most)).collect();
            let least = target.min_splits(size.k);
            splits.insert(0, 1);
            splits.iter_mut().for_each(|splits| *splits = least.max(*splits));
            splits.dedup();
            candidates.extend(splits.into_iter().map(|splits| KernelConfig::Product { variant, splits }));
        }
        candidates.extend(self.by_winograd().map(|winograd| Tuning::of(target).winograd_config(&winograd)));
        candidates
    }

    fn allows(&self, form: KernelConfig) -> bool {
        let [_, _, out] = self.product.shapes();
        // the bound of memory is a wish, and what an adapter cannot sum at once it must split
        let size = self.product.size();
        let most = max_splits(size, out.len()).max(Capabilities::min_splits_of_any(size.k));
        let textures = |variant: Variant| !variant.textures() || self.fit_textures();
        let serves = |variant: Variant| variant.serves(self.precision()) && textures(variant);
        match form {
            KernelConfig::Product { variant, splits } => (1..=most).contains(&splits) && serves(variant),
            KernelConfig::Winograd { variant, splits } => self.by_winograd().is_some_and(|winograd| {
                let form = KernelConfig::Product { variant, splits };
                each_product!(winograd.product(), product => Fused::plain(product, Epilogue::None).allows(form))
            }),
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => false,
        }
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [left, right, out] = self.product.shapes();
        let aux = self.epilogue.aux(out, self.product.size().n);
        vec![("left", left), ("right", right), ("aux", aux), ("out", out)]
    }

    fn elements(&self) -> Vec<Element> {
        self.elements.to_vec()
    }

    /// The weights of a convolution, which its input's gradient needs again.
    fn shared(&self) -> Option<usize> {
        self.product.winograd().filter(Winograd::by_weights).map(|_| 1)
    }

    fn tolerance(&self, form: KernelConfig) -> Tolerance {
        let factors = match form {
            KernelConfig::Product { variant, .. } => variant.factors(),
            // a point is the sum of up to four elements and a result that of up to nine points, which doubles the error
            KernelConfig::Winograd { .. } => {
                return Tolerance::product(4 * u64::from(self.product.size().k), Element::F32);
            }
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => Element::F32,
        };
        Tolerance::product(self.product.size().k.into(), factors).stored_as(self.elements[3])
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, form: KernelConfig, operands: &[Tensor]) {
        let &[left, right, aux, out] = operands else { panic!("gemm: {} operands", operands.len()) };
        let operands = Operands { left, right, aux: Some(aux), out };
        record_as(plan, program, &self.key(), (*self, form), &operands);
    }
}

/// Records `product` with `epilogue` in the form that `tuning` says.
pub fn record<P: Product>(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    tuning: &Tuning,
    (product, epilogue): (P, Epilogue),
    operands: &Operands,
) {
    let fused = Fused::new(product, epilogue, operands);
    let form = tuning.product(fused);
    record_as(plan, program, label, (fused, form), operands);
}

/// One dispatch, or two where the sum is split over a scratch buffer.
pub(super) fn record_as<P: Product>(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    (fused, form): (Fused<P>, KernelConfig),
    operands: &Operands,
) {
    let Operands { left, right, aux, out } = *operands;
    let Fused { product, epilogue, .. } = fused;
    let (variant, splits) = match (form, product.winograd()) {
        (KernelConfig::Product { variant, splits }, _) => (variant, splits),
        (KernelConfig::Winograd { variant, splits }, Some(winograd)) => {
            let form = KernelConfig::Product { variant, splits };
            return winograd.record(plan, program, label, (epilogue, form), operands);
        }
        _ => panic!("{label}: {form:?} is no form of a product"),
    };
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
        let sum = SplitK::new(splits, out.len(), product.size().n, epilogue);
        plan.dispatch(program, format!("{label}, parts"), sum, &[parts, aux, out]);
    }
}
