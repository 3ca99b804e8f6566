//! A matrix product with its epilogue and the element types of its operands, for any configuration.
//!
//! This is the op that [`Tuning`](super::Tuning) chooses a configuration for.

use super::gemm::variant::Variant;
use super::gemm::{self, Epilogue, Operands, Product};
use super::heuristics::{Defaults, max_splits};
use super::tolerance::Tolerance;
use super::tunable::{KernelConfig, Tunable, key};
use super::winograd_convolution::{WinogradConvolution, each_product};
use crate::gpu::kernel::Value;
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor};

/// A product, its epilogue and its element types.
#[derive(Debug, Clone, Copy)]
pub struct Fused<P> {
    /// sizes
    pub product: P,
    /// the epilogue of a sum
    pub epilogue: Epilogue,
    /// element types of left, right, aux and out
    pub elements: [Element; 4],
}

impl<P: Product> Fused<P> {
    /// All in f32.
    pub fn plain(product: P, epilogue: Epilogue) -> Self {
        Self { product, epilogue, elements: [Element::F32; 4] }
    }

    /// With the element types of `operands`.
    pub fn of(product: P, epilogue: Epilogue, operands: &Operands) -> Self {
        let Operands { left, right, aux, out, .. } = *operands;
        let elements = [left, right, aux.unwrap_or(left), out].map(|tensor| tensor.element);
        Self { product, epilogue, elements }
    }

    /// F16 if a factor is: only then may a core round the other one too.
    fn precision(&self) -> Element {
        if self.elements[..2].contains(&Element::F16) { Element::F16 } else { Element::F32 }
    }

    /// The product by the Winograd algorithm, if it is a suitable convolution in f32: transformed tensors are f32.
    pub(super) fn by_winograd(&self) -> Option<WinogradConvolution> {
        let convolution = self.product.convolution().filter(|_| self.elements == [Element::F32; 4]);
        convolution.and_then(WinogradConvolution::new)
    }

    /// Records it with `config`.
    ///
    /// # Panics
    /// If it is not a configuration of this product.
    pub fn record_as(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        config: KernelConfig,
        operands: &Operands,
    ) {
        match (config, self.by_winograd()) {
            (KernelConfig::Product { variant, splits }, _) => {
                let fused = (self.product, self.epilogue);
                gemm::record(plan, program, label, fused, (variant, splits), operands);
            }
            (KernelConfig::Winograd { variant, splits }, Some(winograd)) => {
                winograd.record(plan, program, label, self.epilogue, (variant, splits), operands);
            }
            _ => panic!("{label}: {config:?} is not a configuration of this product"),
        }
    }
}

/// Whether keys omit a size, as in tables of earlier versions: a single product, a convolution to half the resolution.
fn is_usual(name: &str, value: &Value) -> bool {
    let usual = [("planes", 1), ("kernel", 4), ("stride", 2), ("padding", 1)];
    usual.iter().any(|(field, number)| *field == name && *value == Value::U32(*number))
}

impl<P: Product> Tunable for Fused<P> {
    fn key(&self) -> String {
        let kernel = P::source().kernel_name();
        let all = self.elements.map(Element::name).join("-");
        let elements = if self.elements == [Element::F32; 4] { String::new() } else { format!(" {all}") };
        let sizes = self.product.values().into_iter().filter(|(name, value)| !is_usual(name, value));
        format!("{} {:?}{elements}", key(kernel, &sizes.collect::<Vec<_>>()), self.epilogue)
    }

    /// Every core, whole and with its sum split so that there are about 64, 256 and 1024 workgroups.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig> {
        let size = self.product.size();
        let [_, _, out] = self.product.shapes();
        let most = max_splits(size, out.len());
        let mut candidates = Vec::new();
        for variant in Variant::all(target, self.precision()) {
            let [tile_m, tile_n, _] = variant.tile();
            let promising = variant.is_promising(target);
            if variant != Variant::PLAIN && !promising || variant.textures() && !self.product.fits_textures()
            {
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
        candidates.extend(self.by_winograd().map(|winograd| Defaults::of(target).winograd(&winograd)));
        candidates
    }

    fn allows(&self, config: KernelConfig) -> bool {
        let [_, _, out] = self.product.shapes();
        // the bound of memory may be exceeded if an adapter cannot add the sum in fewer parts
        let size = self.product.size();
        let most = max_splits(size, out.len()).max(Capabilities::min_splits_of_any(size.k));
        let textures = |variant: Variant| !variant.textures() || self.product.fits_textures();
        let serves = |variant: Variant| variant.serves(self.precision()) && textures(variant);
        match config {
            KernelConfig::Product { variant, splits } => (1..=most).contains(&splits) && serves(variant),
            KernelConfig::Winograd { variant, splits } => self.by_winograd().is_some_and(|winograd| {
                let config = KernelConfig::Product { variant, splits };
                each_product!(winograd.product(), product => {
                    Fused::plain(product, Epilogue::NONE).allows(config)
                })
            }),
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => false,
        }
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let [left, right, out] = self.product.shapes();
        let aux = self.epilogue.aux(out, self.product.size().n);
        let addend = self.epilogue.operands(out);
        let inputs = [("left", left), ("right", right), ("aux", aux)].into_iter().chain(addend);
        inputs.chain([("out", out)]).collect()
    }

    fn elements(&self) -> Vec<Element> {
        let [left, right, aux, out] = self.elements;
        let addend = self.epilogue.add.then_some(out);
        [left, right, aux].into_iter().chain(addend).chain([out]).collect()
    }

    /// The weights of a convolution, which its input gradient reads again.
    fn shared(&self) -> Option<usize> {
        let winograd = self.product.convolution().and_then(WinogradConvolution::new);
        winograd.filter(WinogradConvolution::reads_weights).map(|_| 1)
    }

    fn tolerance(&self, config: KernelConfig) -> Tolerance {
        let factors = match config {
            KernelConfig::Product { variant, .. } => variant.factors(),
            // a transformed element is the sum of up to four elements, and a result the sum of up to nine transformed
            // elements, which doubles the error
            KernelConfig::Winograd { .. } => {
                return Tolerance::product(4 * u64::from(self.product.size().k), Element::F32);
            }
            KernelConfig::Elementwise { .. } | KernelConfig::BiasGrad { .. } => Element::F32,
        };
        Tolerance::product(self.product.size().k.into(), factors).stored_as(self.elements[3])
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, config: KernelConfig, operands: &[Tensor]) {
        let &[left, right, aux, ref addend @ .., out] = operands else {
            panic!("gemm: {} operands", operands.len())
        };
        let operands = Operands { left, right, aux: Some(aux), addend: addend.first().copied(), out };
        self.record_as(plan, program, &self.key(), config, &operands);
    }
}
