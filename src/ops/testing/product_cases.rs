//! Test cases of matrix products and Winograd transforms.

use super::case::{Case, case};
use crate::gpu::{Capabilities, Element};
use crate::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry, Window};
use crate::ops::gemm::variant::Variant;
use crate::ops::gemm::{Epilogue, Gemm, Product, Side};
use crate::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use crate::ops::tunable::KernelConfig;
use crate::ops::tuning::Tuning;
use crate::ops::winograd::Transform;

/// Adds every product; `large` adds the sizes that take a software adapter seconds.
pub(super) fn products(all: &mut Vec<Case>, target: &Capabilities, large: bool) {
    let sizes = geometries(large);
    add(all, target, "conv2d", &of(&sizes, Conv2d::from));
    add(all, target, "conv2d_transpose", &of(&sizes, Conv2dTranspose::from));
    add(all, target, "conv2d_weight_grad", &of(&sizes, Conv2dWeightGrad::from));
    for (window, name, sizes) in windows(large) {
        add(all, target, &format!("conv2d {name}"), &of(&sizes, |g| Conv2d::new(g, window)));
        let transposed = of(&sizes, |g| Conv2dTranspose::new(g, window));
        add(all, target, &format!("conv2d_transpose {name}"), &transposed);
        let gradient = of(&sizes, |g| Conv2dWeightGrad::new(g, window));
        add(all, target, &format!("conv2d_weight_grad {name}"), &gradient);
    }
    let sizes = linears(large);
    let linear = of(&sizes, |[rows, inputs, outputs, planes]| Linear { rows, inputs, outputs, planes });
    add(all, target, "linear", &linear);
    let linear =
        of(&sizes, |[rows, inputs, outputs, planes]| LinearInputGrad { rows, inputs, outputs, planes });
    add(all, target, "linear_input_grad", &linear);
    let linear =
        of(&sizes, |[rows, inputs, outputs, planes]| LinearWeightGrad { rows, inputs, outputs, planes });
    add(all, target, "linear_weight_grad", &linear);
}

/// Adds products for the plain variant and the target's default variants, with every epilogue that makes a difference.
/// Products of sizes for every variant are added for the others too, but only whole, split or accumulated, because only the
/// core differs there. Variants that round their factors get f16 factors.
fn add<P: Product>(all: &mut Vec<Case>, target: &Capabilities, label: &str, products: &[(P, Size)]) {
    let precision = if target.f16 { Element::F16 } else { Element::F32 };
    let variants = Variant::all(target, precision);
    let subgroup = |blocks_n| Variant::subgroup(target, 1, blocks_n);
    let from_textures = || Some(subgroup(2).or(subgroup(1))?.fetching(true));
    let defaults = if target.software && target.textures {
        [from_textures(), Variant::small_m(target).last()]
    } else {
        [subgroup(1), None]
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
            let config = KernelConfig::Product { variant, splits: 1 }; // the core is the same with splits
            let name = format!("{label} {}", variant.name());
            let rare = kind.large || !usual.contains(&variant);
            let every = thorough.contains(&Some(variant));
            let rare_case = |case: Case| case.with_config(config).rarely(rare);
            if !variant.serves(Element::F32) {
                let directions = if common { 0..3 } else { index..index + 1 };
                all.extend(directions.map(|at| rare_case(half(&name, product, variant, at))));
                let op = Gemm { product, variant, splits: 3, epilogue: Epilogue::NONE };
                let elements = [Element::F16, Element::F16, Element::F16, Element::F32];
                all.push(rare_case(case(format!("{name} f16 split"), op).of(&elements)));
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
                all.push(rare_case(half(&name, product, variant, index + turn)));
            }
            let chosen =
                candidates.into_iter().enumerate().filter(|(at, _)| every || *at == (index + turn) % 3);
            all.extend(chosen.map(|(_, case)| rare_case(case)));
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

/// The use of a size in the table.
#[derive(Clone, Copy)]
struct Size {
    /// it runs with every variant
    every_variant: bool,
    /// it takes a software adapter seconds
    large: bool,
}

/// Sizes of one op, and their uses.
type Sizes<S> = Vec<(S, Size)>;

const ONE: Size = Size { every_variant: false, large: false };
const EVERY: Size = Size { every_variant: true, large: false };
const LARGE: Size = Size { every_variant: false, large: true };
const LARGE_EVERY: Size = Size { every_variant: true, large: true };

/// Sizes of convolutions: all 1, batches, odd sizes, channels that do not fill a tile, a size whose pixels are read in the
/// order of memory, Winograd tiles along the edges of all pictures, a real layer. Large sizes come last, so that the earlier
/// kernels, and the driver's cache of them, do not depend on `large`.
fn geometries(large: bool) -> Sizes<Geometry> {
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

/// The windows of stride 1, with sizes at which they differ from [`Window::HALF`]: small pictures, whose edges are left out;
/// with `large` a single pixel, whose taps are nearly all padding, and larger pictures with odd edges.
fn windows(large: bool) -> [(Window, &'static str, Sizes<Geometry>); 2] {
    let g = |batch, low_h, low_w, low_c, high_c| Geometry { batch, low_h, low_w, low_c, high_c };
    let mut same = vec![(g(3, 4, 5, 12, 8), ONE)];
    let mut pointwise = vec![(g(3, 2, 3, 4, 12), ONE)];
    if large {
        same.extend([(g(1, 1, 1, 4, 4), LARGE), (g(2, 9, 5, 20, 12), LARGE_EVERY)]);
        pointwise.push((g(2, 9, 5, 20, 12), LARGE_EVERY));
    }
    [(Window::SAME, "3x3", same), (Window::POINTWISE, "1x1", pointwise)]
}

/// Rows, inputs, outputs and planes. The large one comes last, as above.
fn linears(large: bool) -> Sizes<[u32; 4]> {
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

/// Reading from buffers, and from textures if the adapter has them.
pub(super) fn fetches(target: &Capabilities) -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(|&textures| !textures || target.textures)
}

/// Winograd transforms of every side, and their inverses.
pub(super) fn winograd(all: &mut Vec<Case>, target: &Capabilities, large: bool) {
    for (index, (g, kind)) in geometries(large).into_iter().enumerate() {
        for side in [Side::High, Side::Low, Side::Weights] {
            for textures in fetches(target) {
                let from = if textures { ", texture" } else { "" };
                let name = format!("winograd {side:?} {}x{}x{}{from}", g.batch, g.low_h, g.low_w);
                all.push(case(&name, Transform::forward(g, side).fetching(textures)).rarely(kind.large));
                let epilogue = [Epilogue::BIAS_RELU, Epilogue::MASK, Epilogue::BIAS.add()][index % 3];
                for epilogue in [epilogue, Epilogue::ACCUMULATE] {
                    let op = Transform::inverse(g, side, epilogue).fetching(textures);
                    all.push(case(format!("{name} {epilogue:?}"), op).rarely(kind.large));
                }
            }
        }
    }
}
