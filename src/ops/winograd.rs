//! Winograd's F(2 x 2, 2 x 2): the convolutions in 9 products instead of 16, between additions.
//!
//! Each side of a convolution has points, nine for every tile: `high` [9, tiles, 2, 2, C_high], `low` [9, tiles, C_low],
//! `weights` [9, C_low, 2, 2, C_high]. The points of two sides multiply to those of the third, as a linear layer's nine
//! times over: it is [`Linear`] with tiles for rows, 4 C_high inputs and C_low outputs. The mathematics is in
//! `winograd.wgsl`; all coefficients are 0, 1 and -1, so that little is lost to rounding. What is lost shows where terms
//! cancel: the gradient of a tap that has met only zeros is not zero but 1e-7 of its neighbours'.
//!
//! Points are nine quarters of the high and of the low side, so a large batch goes in rounds of some pictures each. Both
//! gradients of a layer take points of dy: without rounds the second finds what the first has made.

use super::conv2d::Geometry;
use super::gemm::operand_source;
use super::gemm::{self, Epilogue, Fused, Operands};
use super::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use super::tuning::KernelConfig;
use crate::gpu::kernel::{Constant, Kernel, Source};
use crate::gpu::{Op, Params, Plan, ProgramId, Shape, Tensor};
use crate::{params, wgsl};

/// Points of a tile.
const PLANES: u32 = 9;
/// Elements between places where a binding may begin, as WebGPU has them.
const ALIGNMENT: u32 = 64;
/// What WebGPU promises one binding.
const MAX_BINDING: u64 = 128 << 20;

/// What a convolution multiplies and makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `[N, 2H, 2W, C_high]`
    High,
    /// `[N, H, W, C_low]`
    Low,
    /// `[C_low, 4, 4, C_high]`
    Weights,
}

params! {
    /// Sizes of `winograd.wgsl`.
    pub struct WinogradParams {
        /// N
        batch: u32,
        /// H
        low_h: u32,
        /// W
        low_w: u32,
        /// channels of the low side, a multiple of 4
        low_c: u32,
        /// channels of the high side, a multiple of 4
        high_c: u32,
    }
}

impl From<Geometry> for WinogradParams {
    fn from(g: Geometry) -> Self {
        let Geometry { batch, low_h, low_w, low_c, high_c } = g;
        Self { batch, low_h, low_w, low_c, high_c }
    }
}

impl Geometry {
    /// Tiles of 2 x 2 pixels of the low side.
    fn tiles(&self) -> u32 {
        self.batch * self.low_h.div_ceil(2) * self.low_w.div_ceil(2)
    }

    fn side(&self, side: Side) -> Shape {
        match side {
            Side::High => self.high(),
            Side::Low => self.low(),
            Side::Weights => self.weight(),
        }
    }

    /// Elements of one of the nine of a side's points.
    fn plane(&self, side: Side) -> u32 {
        match side {
            Side::High => self.tiles() * 4 * self.high_c,
            Side::Low => self.tiles() * self.low_c,
            Side::Weights => self.low_c * 4 * self.high_c,
        }
    }

    fn transformed(&self, side: Side) -> Shape {
        Shape::new(&[PLANES, self.plane(side)])
    }

    /// Calls `f(element of the plane, a, b, element of the side)` for each of the elements that a tile's points are made
    /// of, 3 x 3 of the high side and 2 x 2 of the others, that lies inside.
    fn tiles_of(&self, side: Side, mut f: impl FnMut(usize, usize, usize, usize)) {
        let (channels, edge) = match side {
            Side::High => (self.high_c, 3),
            Side::Low => (self.low_c, 2),
            Side::Weights => (self.high_c, 2),
        };
        let parities = if side == Side::Low { 1 } else { 4 };
        let [ty, tx] = [self.low_h.div_ceil(2), self.low_w.div_ceil(2)];
        for at in 0..self.plane(side) {
            let (c, of) = (at % channels, at / channels);
            let (parity, tile) = (of % parities, of / parities);
            let (py, px) = (parity / 2, parity % 2);
            let (texture, row, col) = (tile / (ty * tx), tile / tx % ty, tile % tx);
            for (a, b) in (0..edge).flat_map(|a| (0..edge).map(move |b| (a, b))) {
                // where it lies, and how far the side goes
                let ([y, x], [h, w], outer) = match side {
                    Side::Low => ([2 * row + a, 2 * col + b], [self.low_h, self.low_w], texture),
                    Side::Weights => ([2 * a + 1 - py, 2 * b + 1 - px], [4, 4], tile),
                    Side::High => {
                        let ahead = [2 * (2 * row + a), 2 * (2 * col + b)];
                        if ahead[0] < py || ahead[1] < px {
                            continue;
                        }
                        ([ahead[0] - py, ahead[1] - px], [2 * self.low_h, 2 * self.low_w], texture)
                    }
                };
                if y < h && x < w {
                    let element = ((outer * h + y) * w + x) * channels + c;
                    f(at as usize, a as usize, b as usize, element as usize);
                }
            }
        }
    }
}

/// What each of the 3 points of a line takes of its 3 or 2 elements.
fn coefficients(side: Side) -> &'static [[f64; 3]; 3] {
    match side {
        Side::High => &[[1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, -1.0]],
        Side::Low => &[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, -1.0, 0.0]],
        Side::Weights => &[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]],
    }
}

/// The points of one side, or with an epilogue a side from its points: the adjoint.
#[derive(Debug, Clone, Copy)]
pub struct Transform {
    geometry: Geometry,
    side: Side,
    back: Option<Epilogue>,
    textures: bool,
}

impl Transform {
    /// `points = transform(side)`.
    pub fn transform(geometry: Geometry, side: Side) -> Self {
        Self { geometry, side, back: None, textures: false }
    }

    /// `side = finish(transform(points))`.
    pub fn inverse(geometry: Geometry, side: Side, epilogue: Epilogue) -> Self {
        Self { geometry, side, back: Some(epilogue), textures: false }
    }

    /// The same that reads a texture of what it transforms, where `textures` says so.
    pub fn fetching(self, textures: bool) -> Self {
        Self { textures, ..self }
    }

    fn channels(&self) -> u32 {
        if self.side == Side::Low { self.geometry.low_c } else { self.geometry.high_c }
    }

    fn file(&self) -> Source {
        match (self.side, self.back) {
            (Side::High, None) => wgsl!("winograd/winograd_high_transform.wgsl"),
            (Side::Low, None) => wgsl!("winograd/winograd_low_transform.wgsl"),
            (Side::Weights, None) => wgsl!("winograd/winograd_weights_transform.wgsl"),
            (Side::High, Some(_)) => wgsl!("winograd/winograd_high_inverse.wgsl"),
            (Side::Low, Some(_)) => wgsl!("winograd/winograd_low_inverse.wgsl"),
            (Side::Weights, Some(_)) => wgsl!("winograd/winograd_weights_inverse.wgsl"),
        }
    }
}

impl Op for Transform {
    fn kernel(&self) -> Kernel {
        let name = self.file().kernel_name();
        let mut files = vec![self.file(), wgsl!("winograd/winograd.wgsl")];
        files.extend(operand_source::source(self.textures));
        files.extend(match self.back {
            None => vec![wgsl!("winograd/winograd_transformed.wgsl")],
            Some(_) => vec![wgsl!("winograd/winograd_inverse.wgsl"), wgsl!("gemm/epilogue.wgsl")],
        });
        Kernel { name, files }
    }

    fn params(&self) -> Vec<Constant> {
        WinogradParams::from(self.geometry).values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.back.map(Epilogue::constants).unwrap_or_default()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let (side, transformed) = (self.geometry.side(self.side), self.geometry.transformed(self.side));
        match self.back {
            None => vec![("source", side), ("transformed", transformed)],
            Some(epilogue) => {
                vec![("source", transformed), ("aux", epilogue.aux(side, self.channels())), ("out", side)]
            }
        }
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        if self.back.is_some() { &[Some("Source"), Some("Aux"), Some("Out")] } else { &[Some("Source")] }
    }

    fn groups(&self) -> u64 {
        u64::from(self.geometry.plane(self.side) / 4).div_ceil(64)
    }

    fn reads_output(&self) -> bool {
        self.back == Some(Epilogue::Accumulate)
    }

    /// Additions of each item.
    fn flops(&self) -> u64 {
        let additions = match (self.side, self.back) {
            (Side::High, None) => 12,
            (Side::Low | Side::Weights, None) => 5,
            (Side::High, Some(_)) => 18,
            (Side::Low | Side::Weights, Some(_)) => 10,
        };
        additions * u64::from(self.geometry.plane(self.side))
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let plane = self.geometry.plane(self.side) as usize;
        let of = coefficients(self.side);
        let all = || (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
        match (self.back, buffers) {
            (None, [side, transformed]) => {
                let mut sums = vec![0.0f64; transformed.len()];
                self.geometry.tiles_of(self.side, |at, a, b, element| {
                    for (i, j) in all() {
                        sums[(3 * i + j) * plane + at] += of[i][a] * of[j][b] * f64::from(side[element]);
                    }
                });
                transformed.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
            }
            (Some(epilogue), [transformed, aux, out]) => {
                let mut sums = vec![0.0f64; out.len()];
                self.geometry.tiles_of(self.side, |at, a, b, element| {
                    for (i, j) in all() {
                        sums[element] +=
                            of[i][a] * of[j][b] * f64::from(transformed[(3 * i + j) * plane + at]);
                    }
                });
                for (at, sum) in sums.into_iter().enumerate() {
                    epilogue.finish(out, at, sum, aux, self.channels());
                }
            }
            (_, other) => panic!("winograd: {} operands", other.len()),
        }
    }
}

/// Most bytes of the points of one side: several layers share them, and much more would leave every cache.
const MAX_BYTES: u64 = 32 << 20;

/// Tiles of a round, where there are several: each reads the points of all weights once more.
const MIN_TILES: u32 = 256;

/// A convolution by way of points: which sides it multiplies, and which one it makes.
#[derive(Debug, Clone, Copy)]
pub struct Winograd {
    /// sizes of one round
    geometry: Geometry,
    /// how often, with as many pictures each time
    rounds: u32,
    /// left factor, right factor and result
    sides: [Side; 3],
}

/// The products of points, a linear layer's.
#[derive(Debug, Clone, Copy)]
pub enum TransformedProduct {
    /// of the low side
    Low(Linear),
    /// of the high side
    High(LinearInputGrad),
    /// of the weights
    Weights(LinearWeightGrad),
}

/// Runs `$body` with `$product` bound to whichever product `$points` is.
macro_rules! each_product {
    ($transformed:expr, $product:ident => $body:expr) => {
        match $transformed {
            $crate::ops::winograd::TransformedProduct::Low($product) => $body,
            $crate::ops::winograd::TransformedProduct::High($product) => $body,
            $crate::ops::winograd::TransformedProduct::Weights($product) => $body,
        }
    };
}
pub(super) use each_product;

impl Winograd {
    /// For a convolution of these sides, in as few rounds of as many pictures each as leave points of a bounded size; none
    /// where these would be short, or begin where no binding can.
    pub fn new(geometry: Geometry, sides: [Side; 3]) -> Option<Self> {
        let of = |rounds: u32| Geometry { batch: geometry.batch / rounds, ..geometry };
        let fits = |g: Geometry, side: Side| 4 * u64::from(PLANES) * u64::from(g.plane(side)) <= MAX_BYTES;
        let begins = |g: Geometry, side: Side| g.side(side).len().is_multiple_of(ALIGNMENT);
        let pictures = [Side::Low, Side::High];
        let suits = |rounds: &u32| {
            let bounded = pictures.iter().all(|&side| fits(of(*rounds), side));
            let worth = of(*rounds).tiles() >= MIN_TILES;
            bounded && (*rounds == 1 || worth && pictures.iter().all(|&side| begins(of(*rounds), side)))
        };
        let divisors = (1..=geometry.batch).filter(|rounds| geometry.batch.is_multiple_of(*rounds));
        let rounds = divisors.into_iter().find(suits)?;
        (4 * u64::from(PLANES) * u64::from(geometry.plane(Side::Weights)) <= MAX_BINDING).then_some(Self {
            geometry: of(rounds),
            rounds,
            sides,
        })
    }

    /// The nine products of a round.
    pub fn product(&self) -> TransformedProduct {
        let Geometry { low_c: outputs, high_c, .. } = self.geometry;
        let (rows, inputs, planes) = (self.geometry.tiles(), 4 * high_c, PLANES);
        match self.made() {
            Side::Low => TransformedProduct::Low(Linear { rows, inputs, outputs, planes }),
            Side::High => TransformedProduct::High(LinearInputGrad { rows, inputs, outputs, planes }),
            Side::Weights => TransformedProduct::Weights(LinearWeightGrad { rows, inputs, outputs, planes }),
        }
    }

    /// What it makes of the other two.
    pub fn made(&self) -> Side {
        self.sides[2]
    }

    /// Whether one factor is weights, which a step multiplies twice.
    pub fn by_weights(&self) -> bool {
        self.made() != Side::Weights
    }

    /// Elements of all points, each of which is written once and read at least once. Those of weights count half: a
    /// layer's two products with its weights share them.
    pub fn elements(&self) -> u64 {
        let of = |side: Side| {
            let once = u64::from(self.geometry.transformed(side).len());
            if side == Side::Weights && self.by_weights() { once / 2 } else { u64::from(self.rounds) * once }
        };
        self.sides.iter().map(|&side| of(side)).sum()
    }

    /// What a round takes of an operand.
    fn part(&self, tensor: &Tensor, side: Side, round: u32) -> Tensor {
        let len = self.geometry.side(side).len();
        if side == Side::Weights { *tensor } else { tensor.slice(round * len, len) }
    }

    /// Records the transforms, the products in `form`, and the way back.
    pub(super) fn record(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        (epilogue, form): (Epilogue, KernelConfig),
        operands: &Operands,
    ) {
        let Operands { left, right, aux, out } = *operands;
        let made = self.made();
        // where products read textures, reading buffers is slow
        let textures = matches!(form, KernelConfig::Product { variant, .. } if variant.textures());
        // a memory of its own for each side, so that what follows may find points that it needs as well
        let tensors = [left, right, out];
        let transformed: [Tensor; 3] = std::array::from_fn(|at| {
            let (side, shape) = (self.sides[at], self.geometry.transformed(self.sides[at]));
            Tensor { shape, ..plan.derived_buffer(&tensors[at], 1 + side as usize, shape.len()) }
        });
        for round in 0..self.rounds {
            for (slot, (name, factor)) in [("left", left), ("right", right)].into_iter().enumerate() {
                let side = self.sides[slot];
                let factor = self.part(&factor, side, round);
                // the weights' from the round before, or those of another product
                if !plan.has_derived(program, &factor, &transformed[slot]) {
                    let op = Transform::transform(self.geometry, side).fetching(textures);
                    plan.dispatch(
                        program,
                        format!("{label}, {name} points"),
                        op,
                        &[factor, transformed[slot]],
                    );
                    plan.insert_derived(program, factor, transformed[slot]);
                }
            }
            let inner =
                Operands { left: transformed[0], right: transformed[1], aux: None, out: transformed[2] };
            each_product!(self.product(), product => {
                let fused = Fused::plain(product, Epilogue::None);
                gemm::record_as(plan, program, label, (fused, form), &inner);
            });
            // a weight gradient is the sum of its rounds
            let epilogue = if made == Side::Weights && round > 0 { Epilogue::Accumulate } else { epilogue };
            let aux = match (aux, epilogue) {
                (Some(mask), Epilogue::Mask) => self.part(&mask, made, round),
                (Some(bias), Epilogue::Bias | Epilogue::BiasRelu) => bias,
                _ => left.slice(0, 4),
            };
            let back = Transform::inverse(self.geometry, made, epilogue).fetching(textures);
            let bindings = [transformed[2], aux, self.part(&out, made, round)];
            plan.dispatch(program, format!("{label}, from points"), back, &bindings);
        }
    }
}
