//! A convolution by the Winograd algorithm: 9 products instead of 16, between transforms that only add.
//!
//! The products are those of a linear layer with nine planes: [`Linear`] with tiles for rows, 4 C_high inputs and C_low
//! outputs, or its gradients. A transformed tensor is 9/4 of the original, so a large batch runs in chunks. In one chunk,
//! the input gradient and the weight gradient share the transform of dy.

use super::conv2d::Geometry;
use super::gemm::variant::Variant;
use super::gemm::{self, Convolution, Epilogue, Operands, Side};
use super::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use super::winograd::{PLANES, Transform};
use crate::gpu::{Plan, ProgramId, Tensor};

/// Offsets of bindings are multiples of this many elements, as WebGPU requires.
const ALIGNMENT: u32 = 64;
/// The maximum size of a binding in bytes that WebGPU guarantees.
const MAX_BINDING: u64 = 128 << 20;
/// The maximum size of one transformed side in bytes: several layers share its memory, and much more would leave every
/// cache.
const MAX_BYTES: u64 = 32 << 20;
/// The minimum number of tiles in each of several chunks: each chunk reads all transformed weights once more.
const MIN_TILES: u32 = 256;

/// A convolution by the Winograd algorithm.
#[derive(Debug, Clone, Copy)]
pub struct WinogradConvolution {
    /// sizes of one chunk
    geometry: Geometry,
    /// chunks of the batch, all of the same size
    chunks: u32,
    /// left factor, right factor and output
    sides: [Side; 3],
}

/// The products of transformed tensors, as those of a linear layer.
#[derive(Debug, Clone, Copy)]
pub enum TransformedProduct {
    /// computes the low side
    Low(Linear),
    /// computes the high side
    High(LinearInputGrad),
    /// computes the weights
    Weights(LinearWeightGrad),
}

/// Runs `$body` with `$product` bound to the product of `$transformed`.
macro_rules! each_product {
    ($transformed:expr, $product:ident => $body:expr) => {
        match $transformed {
            $crate::ops::winograd_convolution::TransformedProduct::Low($product) => $body,
            $crate::ops::winograd_convolution::TransformedProduct::High($product) => $body,
            $crate::ops::winograd_convolution::TransformedProduct::Weights($product) => $body,
        }
    };
}
pub(super) use each_product;

impl WinogradConvolution {
    /// In the least number of chunks that bounds the memory of the transformed tensors. `None` if the chunks would be
    /// small, or would begin at offsets that no binding may have.
    pub fn new(convolution: Convolution) -> Option<Self> {
        let Convolution { batch, low_h, low_w, low_c, high_c, sides } = convolution;
        let of = |chunks: u32| Geometry { batch: batch / chunks, low_h, low_w, low_c, high_c };
        let fits = |g: Geometry, side: Side| 4 * u64::from(PLANES) * u64::from(g.plane(side)) <= MAX_BYTES;
        let aligned = |g: Geometry, side: Side| g.side(side).len().is_multiple_of(ALIGNMENT);
        let activations = [Side::Low, Side::High];
        let suits = |chunks: &u32| {
            let bounded = activations.iter().all(|&side| fits(of(*chunks), side));
            let worth = of(*chunks).tiles() >= MIN_TILES;
            bounded && (*chunks == 1 || worth && activations.iter().all(|&side| aligned(of(*chunks), side)))
        };
        let chunks = (1..=batch).filter(|chunks| batch.is_multiple_of(*chunks)).find(suits)?;
        let geometry = of(chunks);
        let weights = 4 * u64::from(PLANES) * u64::from(geometry.plane(Side::Weights));
        (weights <= MAX_BINDING).then_some(Self { geometry, chunks, sides })
    }

    /// The nine products of a chunk.
    pub fn product(&self) -> TransformedProduct {
        let Geometry { low_c: outputs, high_c, .. } = self.geometry;
        let (rows, inputs, planes) = (self.geometry.tiles(), 4 * high_c, PLANES);
        match self.output() {
            Side::Low => TransformedProduct::Low(Linear { rows, inputs, outputs, planes }),
            Side::High => TransformedProduct::High(LinearInputGrad { rows, inputs, outputs, planes }),
            Side::Weights => TransformedProduct::Weights(LinearWeightGrad { rows, inputs, outputs, planes }),
        }
    }

    /// The side that it computes from the other two.
    pub fn output(&self) -> Side {
        self.sides[2]
    }

    /// Whether one factor is the weights, which two products of a step read.
    pub fn reads_weights(&self) -> bool {
        self.output() != Side::Weights
    }

    /// Elements of all transformed tensors, each of which is written once and read at least once. Transformed weights
    /// count half: two products of a layer share them.
    pub fn elements(&self) -> u64 {
        let of = |side: Side| {
            let once = u64::from(self.geometry.transformed(side).len());
            if side == Side::Weights && self.reads_weights() {
                once / 2
            } else {
                u64::from(self.chunks) * once
            }
        };
        self.sides.iter().map(|&side| of(side)).sum()
    }

    /// The part of an operand that belongs to a chunk.
    fn part(&self, tensor: &Tensor, side: Side, chunk: u32) -> Tensor {
        let len = self.geometry.side(side).len();
        if side == Side::Weights { *tensor } else { tensor.slice(chunk * len, len) }
    }

    /// Records the transforms, the products with `config`, and the inverse transform with the epilogue.
    pub(super) fn record(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        epilogue: Epilogue,
        config: (Variant, u32),
        operands: &Operands,
    ) {
        let Operands { left, right, aux, addend, out } = *operands;
        let output = self.output();
        // an adapter on which products read textures is slow at reading buffers
        let textures = config.0.textures();
        // separate memory for each side, so that later products find transforms that they need as well
        let tensors = [left, right, out];
        let transformed: [Tensor; 3] = std::array::from_fn(|at| {
            let (side, shape) = (self.sides[at], self.geometry.transformed(self.sides[at]));
            Tensor { shape, ..plan.derived_buffer(&tensors[at], 1 + side as usize, shape.len()) }
        });
        for chunk in 0..self.chunks {
            for (at, (name, factor)) in [("left", left), ("right", right)].into_iter().enumerate() {
                let side = self.sides[at];
                let factor = self.part(&factor, side, chunk);
                // valid: the weights' from the chunk before, or those of another product
                if !plan.has_derived(program, &factor, &transformed[at]) {
                    let op = Transform::forward(self.geometry, side).fetching(textures);
                    let bindings = [factor, transformed[at]];
                    plan.dispatch(program, format!("{label}, {name} transformed"), op, &bindings);
                    plan.insert_derived(program, factor, transformed[at]);
                }
            }
            let inner = Operands {
                left: transformed[0],
                right: transformed[1],
                aux: None,
                addend: None,
                out: transformed[2],
            };
            each_product!(self.product(), product => {
                gemm::record(plan, program, label, (product, Epilogue::NONE), config, &inner);
            });
            // a weight gradient is the sum over its chunks
            let adds_up = output == Side::Weights && chunk > 0;
            let epilogue = if adds_up { Epilogue::ACCUMULATE } else { epilogue };
            let aux = match aux {
                Some(mask) if epilogue.mask => self.part(&mask, output, chunk),
                Some(bias) if epilogue.bias => bias,
                _ => left.slice(0, 4),
            };
            let addend = addend.filter(|_| epilogue.add).map(|addend| self.part(&addend, output, chunk));
            let inverse = Transform::inverse(self.geometry, output, epilogue).fetching(textures);
            let own = [transformed[2], aux, self.part(&out, output, chunk)];
            let bindings: Vec<Tensor> = own.into_iter().chain(addend).collect();
            plan.dispatch(program, format!("{label}, inverse"), inverse, &bindings);
        }
    }
}
