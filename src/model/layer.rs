//! A layer of a network: its parameters, the shape of its output, and how its forward and backward passes are recorded.
//!
//! Read this to add a layer; [`layers`](super::layers) has the ones that exist, `docs/extending.md` an example.

use super::params::{ParamSlice, ParamSpec, TorchParam};
use super::recorder::Recorder;
use crate::gpu::{Shape, Tensor};
use crate::ops::gemm::Epilogue;

/// A tensor in the network.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// the tensor, `[N, H, W, C]` or `[N, ..]`
    pub tensor: Tensor,
    /// whether a ReLU made it: its gradient is then masked by the kernel that computes it
    pub relu: bool,
}

impl Value {
    /// A tensor that no ReLU made.
    pub(super) fn plain(tensor: Tensor) -> Self {
        Self { tensor, relu: false }
    }

    /// The epilogue of the product that computes this value's gradient, and its operand `aux`: masked if a ReLU made it.
    pub(super) fn mask(self) -> (Epilogue, Option<Tensor>) {
        if self.relu { (Epilogue::MASK, Some(self.tensor)) } else { (Epilogue::NONE, None) }
    }
}

/// The gradient of the loss with respect to a layer's output, before the layer's own ReLU.
#[derive(Debug, Clone, Copy)]
pub struct Grad {
    /// shaped as the output
    pub tensor: Tensor,
    /// whether the kernel that made it has computed the layer's bias gradient too, as the loss does
    pub bias_done: bool,
}

impl Grad {
    /// A gradient whose column sums are yet to be taken.
    pub(super) fn plain(tensor: Tensor) -> Self {
        Self { tensor, bias_done: false }
    }
}

/// The tensor that the gradient of a layer's input goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputGrad {
    /// shaped as the input
    pub(super) tensor: Tensor,
    /// whether it is added to what the tensor has: another layer reads the same input
    pub(super) accumulate: bool,
}

impl InputGrad {
    /// The gradient replaces what the tensor has.
    pub(super) fn replace(tensor: Tensor) -> Self {
        Self { tensor, accumulate: false }
    }

    /// The gradient is added to what the tensor has.
    pub(super) fn add(tensor: Tensor) -> Self {
        Self { tensor, accumulate: true }
    }
}

/// A layer, for any batch size.
///
/// Channels are padded to multiples of 4 in every tensor; the padding is zero, and so are its gradients.
pub trait Layer: Send + Sync {
    /// The name in labels, such as `encoder.2`.
    fn name(&self) -> &str;

    /// The parameters in the arenas.
    fn params(&self) -> Vec<ParamSpec>;

    /// The parameters as PyTorch has them, in the order of its `state_dict`.
    fn torch_params(&self) -> Vec<TorchParam>;

    /// The shape of the output for an input of shape `x`.
    fn output(&self, x: &[u32]) -> Vec<u32>;

    /// Whether the output goes through a ReLU.
    fn relu(&self) -> bool {
        false
    }

    /// Floating-point operations of the longest dispatch of a forward pass of input shape `x`.
    fn flops(&self, x: &[u32]) -> u64;

    /// Records `y = layer(x)`.
    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor);

    /// Records the gradients of the parameters, and into `dx` that of `x`, masked if a ReLU made `x`.
    ///
    /// The gradient of the weight is recorded last, because the optimizer may overwrite the weight right after it.
    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>);
}

/// Layers, each of which takes the output of the one before.
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// No layers: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more layer at the end.
    pub fn then(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The layers in order.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &dyn Layer> + ExactSizeIterator {
        self.layers.iter().map(AsRef::as_ref)
    }

    /// The shapes of the input and of each layer's output.
    pub fn shapes(&self, x: &[u32]) -> Vec<Vec<u32>> {
        let mut shapes = vec![x.to_vec()];
        for layer in &self.layers {
            shapes.push(layer.output(&shapes[shapes.len() - 1]));
        }
        shapes
    }

    /// Floating-point operations of the longest dispatch of a forward pass.
    pub fn longest_dispatch(&self, x: &[u32]) -> u64 {
        let inputs = self.shapes(x);
        self.layers.iter().zip(inputs).map(|(layer, x)| layer.flops(&x)).max().unwrap_or(0)
    }

    /// Records a forward pass from `x` to `y`; returns the input and the output of every layer.
    pub(super) fn forward(
        &self,
        r: &mut Recorder<'_>,
        params: &[Vec<ParamSlice>],
        x: Tensor,
        y: Tensor,
    ) -> Vec<Value> {
        let shapes = self.shapes(x.shape.dims());
        let mut values = vec![Value { tensor: x, relu: false }];
        for (at, layer) in self.layers.iter().enumerate() {
            let last = at + 1 == self.layers.len();
            let out = if last {
                y.reshape(&shapes[at + 1])
            } else {
                r.activation(layer.name(), Shape::new(&shapes[at + 1]))
            };
            layer.forward(r, &params[at], values[at].tensor, out);
            values.push(Value { tensor: out, relu: layer.relu() });
        }
        values
    }

    /// Records a backward pass from the gradient `dy` of the last output; into `dx` that of the input, if it is wanted.
    pub(super) fn backward(
        &self,
        r: &mut Recorder<'_>,
        params: &[Vec<ParamSlice>],
        values: &[Value],
        dy: Grad,
        dx: Option<Tensor>,
    ) {
        // the caller has the first and the last gradient in shapes of its own
        let last = values[self.layers.len()].tensor.shape;
        let mut dy = Grad { tensor: dy.tensor.reshape(last.dims()), ..dy };
        let dx = dx.map(|dx| dx.reshape(values[0].tensor.shape.dims()));
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let x = values[at];
            let into = if at == 0 { dx } else { Some(r.gradient(x.tensor.shape, x.tensor.element)) };
            layer.backward(r, &params[at], x, dy, into);
            r.release(dy.tensor);
            if let Some(tensor) = into {
                dy = Grad { tensor, bias_done: false };
            }
        }
    }
}
