//! Every op at the sizes where kernels break. `wgvae selftest` and `tests/kernels` both walk this table, and
//! compare each case by [`check`](super::check::check).

use crate::config::{Augmentation, Likelihood, LossKind};
use crate::gpu::{Capabilities, Element, Op};
use crate::ops::adam::Adam;
use crate::ops::augment::Augment;
use crate::ops::bias_grad::BiasGrad;
use crate::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry, Window};
use crate::ops::elementwise::Elementwise;
use crate::ops::ema::{Ema, Exchange};
use crate::ops::gemm::split_k::SplitK;
use crate::ops::gemm::variant::Variant;
use crate::ops::gemm::{Epilogue, Gemm, Product, Side};
use crate::ops::grad_clip::{Clip, SquareSum};
use crate::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use crate::ops::loss_scale::{FindNonFinite, LossScale, UpdateLossScale};
use crate::ops::max_error::MaxError;
use crate::ops::mmd::{Gather, Mmd, MmdTotal};
use crate::ops::normal::Normal;
use crate::ops::reparameterize::{Reparameterize, ReparameterizeBackward};
use crate::ops::roofline::{RooflineCopy, RooflineFma};
use crate::ops::tunable::{ELEMENTWISE, KernelConfig};
use crate::ops::tuning::Tuning;
use crate::ops::winograd::Transform;
use crate::ops::{logits_to_rgba::LogitsToRgba, rgba_to_float::RgbaToFloat};
use crate::ops::{reconstruction::Reconstruction, totals::Totals};

/// One op at one size.
pub struct Case {
    /// what is special about it
    pub label: String,
    /// which form of the kernel, as [`Form::name`] calls it; empty where there is only one
    pub form: String,
    /// the op
    pub op: Box<dyn Op>,
    /// whether it depends on what its output holds
    pub updates: bool,
    /// what each operand is made of; what is not listed is f32
    pub elements: Vec<Element>,
    /// what an operand called `scaling` holds
    pub scaling: LossScale,
    /// what the last element of the first operand is, where it is no normal
    pub flaw: Option<f32>,
    /// whether nothing takes it unless told to: a form that is neither the plain one nor a default of the target, or a
    /// size that takes a software adapter seconds
    pub rare: bool,
}

impl Case {
    fn of(self, elements: &[Element]) -> Self {
        Self { elements: elements.to_vec(), ..self }
    }

    fn with(self, scaling: LossScale) -> Self {
        Self { scaling, ..self }
    }

    fn in_form(self, form: KernelConfig) -> Self {
        Self { form: form.name(), ..self }
    }

    /// Marks a case that only a test of everything runs.
    fn rarely(self, rare: bool) -> Self {
        Self { rare, ..self }
    }

    /// Whether an operand is made of 16-bit floats.
    pub fn is_half(&self) -> bool {
        self.elements.contains(&Element::F16)
    }

    /// What operand `at` is made of.
    pub fn element(&self, at: usize) -> Element {
        self.elements.get(at).copied().unwrap_or_default()
    }
}

fn case(label: impl Into<String>, op: impl Op) -> Case {
    let scaling = LossScale { exponent: 3, found_inf: 0, growth_tracker: 4, skipped: 2 };
    let (label, form, op) = (label.into(), String::new(), Box::new(op));
    Case {
        label,
        form,
        updates: op.reads_output(),
        op,
        elements: Vec::new(),
        scaling,
        flaw: None,
        rare: false,
    }
}

/// Of an op that leaves some of its output as it was.
fn update(label: impl Into<String>, op: impl Op) -> Case {
    Case { updates: true, ..case(label, op) }
}

/// Adds every product under the plain variant and the target's default ones with every epilogue that makes a
/// difference, and those that are `common` under every other variant, whole, split or added in turn: what differs there
/// is the core, not the ends. Variants that round their factors get them in f16.
fn products<P: Product>(all: &mut Vec<Case>, target: &Capabilities, label: &str, products: &[(P, Size)]) {
    let precision = if target.f16 { Element::F16 } else { Element::F32 };
    let variants = Variant::all(target, precision);
    let shared = |columns| Variant::subgroup(target, 1, columns);
    let from_textures = || Some(shared(2).or(shared(1))?.fetching(true));
    let defaults = if target.software && target.textures {
        [from_textures(), Variant::small_m(target).last()]
    } else {
        [shared(1), None]
    };
    let thorough = [Some(Variant::PLAIN), defaults[0], defaults[1]];
    let usual = Tuning::of(target).usual();
    for (index, &(product, kind)) in products.iter().enumerate() {
        let (size, common) = (product.size(), kind.every_variant);
        let label = format!("{label} {}x{}x{}", size.m, size.n, size.k);
        for (turn, &variant) in variants.iter().enumerate() {
            let epilogues = [
                Epilogue::BIAS_RELU,
                Epilogue::MASK,
                Epilogue::BIAS.add(),
                Epilogue::NONE,
                Epilogue::MASK.accumulate(),
            ];
            let epilogue = epilogues[index % epilogues.len()];
            let form = KernelConfig::Product { variant, splits: 1 }; // whole, split or added: the core is the same
            let name = format!("{label} {}", variant.name());
            let rare = kind.large || !usual.contains(&variant);
            let every = thorough.contains(&Some(variant));
            let add = |case: Case| case.in_form(form).rarely(rare);
            if !variant.serves(Element::F32) {
                let directions = if common { 0..3 } else { index..index + 1 };
                all.extend(directions.map(|at| add(half(&name, product, variant, at))));
                let op = Gemm { product, variant, splits: 3, epilogue: Epilogue::NONE };
                let elements = [Element::F16, Element::F16, Element::F16, Element::F32];
                all.push(add(case(format!("{name} f16 split"), op).of(&elements)));
                continue;
            }
            let candidates = [
                case(&name, Gemm { product, variant, splits: 1, epilogue }),
                case(format!("{name} split"), Gemm { product, variant, splits: 3, epilogue: Epilogue::NONE }),
                case(
                    format!("{name} added"),
                    Gemm { product, variant, splits: 1, epilogue: Epilogue::ACCUMULATE },
                ),
            ];
            if !every && !common {
                continue;
            }
            if target.f16 && common {
                all.push(add(half(&name, product, variant, index + turn)));
            }
            let chosen =
                candidates.into_iter().enumerate().filter(|(at, _)| every || *at == (index + turn) % 3);
            all.extend(chosen.map(|(_, case)| add(case)));
        }
    }
}

/// A product as one of the three directions of a layer in f16: forward, by the input, by the weight.
fn half<P: Product>(name: &str, product: P, variant: Variant, direction: usize) -> Case {
    let [f16, f32] = [Element::F16, Element::F32];
    let (epilogue, elements) = match direction % 3 {
        0 => (Epilogue::BIAS_RELU, [f16, f32, f32, f16]),
        1 => (Epilogue::MASK, [f16, f32, f16, f16]),
        _ => (Epilogue::ACCUMULATE, [f16, f16, f16, f32]),
    };
    let op = Gemm { product, variant, splits: 1, epilogue };
    let name = format!("{name} f16 {epilogue:?}");
    case(name, op).of(&elements)
}

/// What a size of the table is for.
#[derive(Clone, Copy)]
struct Size {
    /// every variant is tried on it
    every_variant: bool,
    /// it takes a software adapter seconds
    large: bool,
}

const ONE: Size = Size { every_variant: false, large: false };
const EVERY: Size = Size { every_variant: true, large: false };
const LARGE: Size = Size { every_variant: false, large: true };
const LARGE_EVERY: Size = Size { every_variant: true, large: true };

/// A size of 1, batches, odd sizes, channels that do not fill a tile, pictures that are taken as they lie in memory, tiles
/// along an edge of all pictures, a real layer. The large ones come last, so
/// that the others are the same kernels with them and without: drivers keep what they have compiled.
fn geometries(large: bool) -> Vec<(Geometry, Size)> {
    let g = |batch, low_h, low_w, low_c, high_c| Geometry { batch, low_h, low_w, low_c, high_c };
    let mut all = vec![
        (g(1, 1, 1, 4, 4), ONE),
        (g(3, 3, 5, 12, 8), ONE),
        (g(2, 8, 8, 36, 20), EVERY),
        (g(2, 4, 4, 64, 4), ONE),
        (g(2, 9, 5, 8, 12), EVERY),
        (g(45, 3, 3, 12, 4), ONE),
    ];
    if large {
        all.extend([(g(4, 8, 8, 128, 64), LARGE_EVERY), (g(1, 2, 2, 512, 256), LARGE)]);
    }
    all
}

/// The windows of stride 1, with sizes where they differ from [`Window::HALF`]: a single pixel, whose taps are nearly all
/// padding; small pictures, whose edges are left out; larger ones, with odd edges.
fn windows(large: bool) -> [(Window, &'static str, Vec<(Geometry, Size)>); 2] {
    let g = |batch, low_h, low_w, low_c, high_c| Geometry { batch, low_h, low_w, low_c, high_c };
    let mut same = vec![(g(1, 1, 1, 4, 4), ONE), (g(3, 4, 5, 12, 8), ONE), (g(2, 9, 5, 20, 12), ONE)];
    let mut pointwise = vec![(g(3, 2, 3, 4, 12), ONE)];
    if large {
        same.push((g(2, 10, 5, 20, 12), LARGE_EVERY));
        pointwise.push((g(2, 9, 5, 20, 12), LARGE_EVERY));
    }
    [(Window::SAME, "3x3", same), (Window::POINTWISE, "1x1", pointwise)]
}

/// Rows, inputs, outputs and planes. The large one comes last, as above.
fn linears(large: bool) -> Vec<([u32; 4], Size)> {
    let mut all = vec![
        ([1, 4, 4, 1], ONE),
        ([3, 20, 12, 1], EVERY),
        ([17, 128, 72, 1], EVERY),
        ([5, 24, 12, 3], EVERY),
    ];
    all.extend(large.then_some(([16, 8192, 256, 1], LARGE)));
    all
}

/// Each size as an op.
fn of<S: Copy, P>(sizes: &[(S, Size)], op: impl Fn(S) -> P) -> Vec<(P, Size)> {
    sizes.iter().map(|&(size, kind)| (op(size), kind)).collect()
}

/// Every op; `large` adds the sizes that take a software adapter seconds.
pub fn cases(target: &Capabilities, large: bool) -> Vec<Case> {
    let mut all = Vec::new();
    let sizes = geometries(large);
    products(&mut all, target, "conv2d", &of(&sizes, Conv2d::from));
    products(&mut all, target, "conv2d_transpose", &of(&sizes, Conv2dTranspose::from));
    products(&mut all, target, "conv2d_weight_grad", &of(&sizes, Conv2dWeightGrad::from));
    for (window, name, sizes) in windows(large) {
        products(&mut all, target, &format!("conv2d {name}"), &of(&sizes, |g| Conv2d::new(g, window)));
        let transposed = of(&sizes, |g| Conv2dTranspose::new(g, window));
        products(&mut all, target, &format!("conv2d_transpose {name}"), &transposed);
        let gradient = of(&sizes, |g| Conv2dWeightGrad::new(g, window));
        products(&mut all, target, &format!("conv2d_weight_grad {name}"), &gradient);
    }
    let sizes = linears(large);
    let linear = of(&sizes, |[rows, inputs, outputs, planes]| Linear { rows, inputs, outputs, planes });
    products(&mut all, target, "linear", &linear);
    let linear =
        of(&sizes, |[rows, inputs, outputs, planes]| LinearInputGrad { rows, inputs, outputs, planes });
    products(&mut all, target, "linear_input_grad", &linear);
    let linear =
        of(&sizes, |[rows, inputs, outputs, planes]| LinearWeightGrad { rows, inputs, outputs, planes });
    products(&mut all, target, "linear_weight_grad", &linear);
    winograd(&mut all, target, large);
    reductions(&mut all, target, large);
    elementwise(&mut all, large);
    scaled(&mut all);
    checked(&mut all);
    over_a_batch(&mut all);
    if target.f16 {
        halves(&mut all, target);
    }
    all
}

/// From buffers, and from textures where the adapter has them.
fn fetches(target: &Capabilities) -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|&textures| !textures || target.textures)
}

/// Winograd's points of every side and the ways back, and their products.
fn winograd(all: &mut Vec<Case>, target: &Capabilities, large: bool) {
    for (index, (g, kind)) in geometries(large).into_iter().enumerate() {
        for side in [Side::High, Side::Low, Side::Weights] {
            for textures in fetches(target) {
                let from = if textures { ", texture" } else { "" };
                let name = format!("winograd {side:?} {}x{}x{}{from}", g.batch, g.low_h, g.low_w);
                all.push(case(&name, Transform::transform(g, side).fetching(textures)).rarely(kind.large));
                let epilogue = [Epilogue::BIAS_RELU, Epilogue::MASK, Epilogue::BIAS.add()][index % 3];
                for epilogue in [epilogue, Epilogue::ACCUMULATE] {
                    let op = Transform::inverse(g, side, epilogue).fetching(textures);
                    all.push(case(format!("{name} {epilogue:?}"), op).rarely(kind.large));
                }
            }
        }
    }
}

/// The factor on gradients: adapted, and in the kernels that put it on and take it off.
fn scaled(all: &mut Vec<Case>) {
    let at = |exponent, found_inf| LossScale { exponent, found_inf, growth_tracker: 4, skipped: 2 };
    for scaling in [at(3, 0), at(3, 1), at(24, 0), at(-16, 1)] {
        for interval in [5, 6] {
            all.push(
                update(format!("rescale {scaling:?}, {interval}"), UpdateLossScale { interval })
                    .with(scaling),
            );
        }
    }
    for scaling in [at(-2, 0), at(5, 0), at(4, 1)] {
        let launch = Elementwise::default();
        let form =
            KernelConfig::Elementwise { threads: launch.threads, vec4s_per_thread: launch.vec4s_per_thread };
        all.push(case(format!("adam {scaling:?}"), Adam::new(260, launch)).with(scaling).in_form(form));
        let op = Reconstruction::new(Likelihood::default(), 3, 300, true);
        all.push(case(format!("reconstruction {scaling:?}"), op).with(scaling));
        all.push(update(format!("clip {scaling:?}"), Clip::new(70, 1e-3)).with(scaling));
        all.push(case(format!("average {scaling:?}"), Ema::new(260, launch)).with(scaling));
        let op = ReparameterizeBackward::new(3, 10, Some(9));
        all.push(case(format!("reparameterize_backward {scaling:?}"), op).with(scaling));
    }
}

/// Gradients that are finite, and one flaw each.
fn checked(all: &mut Vec<Case>) {
    for flaw in [None, Some(f32::NAN), Some(f32::NEG_INFINITY), Some(f32::MAX)] {
        for vec4s in [1, 70] {
            let case = update(format!("check_gradient {vec4s} {flaw:?}"), FindNonFinite::new(4 * vec4s));
            all.push(Case { flaw, ..case });
        }
    }
}

/// Whatever else reads or writes f16.
fn halves(all: &mut Vec<Case>, target: &Capabilities) {
    let [f16, f32] = [Element::F16, Element::F32];
    for (rows, channels) in [(37, 12), (1000, 4), (300, 516)] {
        for textures in fetches(target) {
            let op = BiasGrad::new(rows, channels, [64, 5], Epilogue::NONE).fetching(textures);
            let from = if textures { ", texture" } else { "" };
            all.push(case(format!("bias_grad {rows}x{channels} f16{from}"), op).of(&[f16, f16]));
        }
    }
    let sum = |epilogue| SplitK::new(5, 3 * 12, 12, epilogue);
    all.push(case("split_sum f16", sum(Epilogue::BIAS_RELU)).of(&[f32, f32, f16]));
    all.push(case("split_sum f16 mask", sum(Epilogue::MASK)).of(&[f32, f16, f16]));
    all.push(case("normal f16", Normal { rows: 5, vec4s: 7 }).of(&[f32, f16]));
    all.push(case("worst f16", MaxError::new(260, 1e-3, 1e-2)).of(&[f16, f16]));
}

/// Pictures varied in every way, and in each alone.
fn varied(all: &mut Vec<Case>) {
    let ways = [(true, 0.0, 0.0), (false, 0.3, 0.0), (false, 0.0, 0.4), (true, 0.9, 1.0)];
    for (flip, crop, jitter) in ways {
        let how = Augmentation { flip, crop, jitter };
        for (batch, size, slots) in [(1, 1, 1), (3, 5, 7), (5, 16, 2)] {
            let name = format!("augment {batch}x{size} of {slots}, {flip} {crop} {jitter}");
            all.push(case(name, Augment::new(how, batch, size, slots)));
        }
    }
}

/// A batch's latents against the prior, and the norm of its gradient.
fn over_a_batch(all: &mut Vec<Case>) {
    for (batch, latent) in [(2, 1), (3, 10), (70, 130), (129, 5)] {
        let vec4s = crate::ops::reparameterize::padded(latent) / 4;
        all.push(case(format!("mmd {batch}x{latent}"), Mmd::new(batch, latent)));
        all.push(update(format!("mmd_total {batch}"), MmdTotal::new(batch)));
        let rows = batch.div_ceil(2);
        // 5 pictures of the batch come before these
        all.push(update(format!("gather {rows}x{latent}"), Gather { rows, vec4s, batch: batch + 5 }));
    }
    for len in [4, 5000, 70_000] {
        all.push(case(format!("square_sum {len}"), SquareSum::new(len)));
    }
    for (parts, most) in [(1, 1e3), (70, 1.0), (4096, 1e-2)] {
        all.push(update(format!("clip {parts} {most}"), Clip::new(parts, most)));
    }
}

fn reductions(all: &mut Vec<Case>, target: &Capabilities, large: bool) {
    for epilogue in [
        Epilogue::NONE,
        Epilogue::BIAS_RELU,
        Epilogue::MASK,
        Epilogue::BIAS.add(),
        Epilogue::MASK.add().accumulate(),
    ] {
        all.push(case(format!("split_sum {epilogue:?}"), SplitK::new(5, 3 * 12, 12, epilogue)));
    }
    all.push(case("split_sum added", SplitK::new(7, 260, 4, Epilogue::ACCUMULATE)));
    // the last has more rows in a part than go side by side
    for (rows, channels) in [(1, 4), (37, 12), (1000, 4), (300, 516), (20_000, 8)] {
        for (threads, parts) in [(64, 1), (64, 7), (256, 1), (256, 50)] {
            let parts = parts.min(rows);
            let name = format!("bias_grad {rows}x{channels}");
            for textures in fetches(target) {
                let form = KernelConfig::BiasGrad { threads, parts, textures };
                let op =
                    |epilogue| BiasGrad::new(rows, channels, [threads, parts], epilogue).fetching(textures);
                all.push(case(&name, op(Epilogue::NONE)).in_form(form));
                all.push(case(format!("{name} added"), op(Epilogue::ACCUMULATE)).in_form(form));
            }
        }
    }
    for (parts, rows) in [(1, 1), (63, 65), (1000, 3)] {
        for accumulate in [false, true] {
            all.push(update(format!("totals {parts}, {rows}"), Totals::new(parts, rows, accumulate)));
        }
    }
    for len in [4, 260, 70_000] {
        all.push(case(format!("worst {len}"), MaxError::new(len, 1e-3, 1e-2)));
    }
    if large {
        // more than 65,535 workgroups
        let sum = SplitK::new(1, 4 * 64 * 65_600, 4, Epilogue::NONE);
        all.push(case("split_sum, two rows of groups", sum).rarely(true));
    }
}

fn elementwise(all: &mut Vec<Case>, large: bool) {
    for (rows, latent) in [(1, 1), (3, 10), (5, 128), (2, 300)] {
        let vec4s = crate::ops::reparameterize::padded(latent) / 4;
        all.push(case(format!("normal {rows}x{latent}"), Normal { rows, vec4s }));
        all.push(case(format!("reparameterize {rows}x{latent}"), Reparameterize { rows, latent, vec4s }));
        for batch in [None, Some(rows + 5)] {
            let op = ReparameterizeBackward::new(rows, latent, batch);
            all.push(case(format!("reparameterize_backward {rows}x{latent} {batch:?}"), op));
        }
    }
    for (batch, pixels) in [(1, 1), (3, 300), (3, 2304)] {
        for &kind in LossKind::ALL {
            let of = Likelihood { kind, sigma: 0.3 };
            let name = format!("{} {batch}x{pixels}", kind.name());
            all.push(update(name.clone(), Reconstruction::new(of, batch, pixels, false)));
            all.push(case(format!("{name} with gradient"), Reconstruction::new(of, batch, pixels, true)));
            all.push(case(format!("picture of {name}"), LogitsToRgba::new(of, batch * pixels)));
        }
        for slots in [1, 7] {
            all.push(case(
                format!("unpack {batch}x{pixels} of {slots}"),
                RgbaToFloat { batch, pixels, slots },
            ));
        }
    }
    for [threads, vec4s_per_thread] in ELEMENTWISE {
        for (len, clip) in [(4, false), (4, true), (8200, false)] {
            let launch = Elementwise { threads, vec4s_per_thread };
            let op = Adam::new(len, launch).clipped(clip);
            let clipped = if clip { ", clipped" } else { "" };
            let name = format!("adam {len}, {threads} threads, {vec4s_per_thread} each{clipped}");
            all.push(case(name, op).in_form(KernelConfig::Elementwise { threads, vec4s_per_thread }));
            all.push(case(
                format!("average {len}, {threads} threads, {vec4s_per_thread} each"),
                Ema::new(len, launch),
            ));
            all.push(case(
                format!("swap {len}, {threads} threads, {vec4s_per_thread} each"),
                Exchange::new(len, launch),
            ));
        }
    }
    varied(all);
    for vec4s in [1, 65, 1000] {
        for unrolled in [8, 16] {
            let op = RooflineFma { vec4s, unrolled, rounds: vec4s % 7 };
            all.push(case(format!("roofline_fma {vec4s} by {unrolled}"), op));
        }
        for launch in [Elementwise::default(), Elementwise { threads: 64, vec4s_per_thread: 16 }] {
            let op = RooflineCopy::new(vec4s, launch);
            all.push(case(format!("roofline_copy {vec4s}, {} each", launch.vec4s_per_thread), op));
        }
    }
    if large {
        let op = RgbaToFloat { batch: 64, pixels: 65_600, slots: 2 };
        all.push(case("unpack, two rows of groups", op).rarely(true));
    }
}
