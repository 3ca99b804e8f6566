//! Convolution and transposed convolution, each with an optional ReLU.

use crate::gpu::{Shape, Tensor};
use crate::model::layer::{Grad, InputGrad, Layer, Value};
use crate::model::params::{Init, ParamSlice, ParamSpec, TorchLayout, TorchParam};
use crate::model::recorder::Recorder;
use crate::ops::conv2d::{self, Conv2dTranspose, Conv2dWeightGrad, Geometry, Window};
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::reparameterize::padded;

/// `nn.Conv2d` or `nn.ConvTranspose2d`: the same weight between a side of lower and one of higher resolution, from the
/// higher to the lower or back.
pub struct Conv2d {
    name: String,
    inputs: u32,
    outputs: u32,
    window: Window,
    /// whether the input is the side of lower resolution
    transposed: bool,
    relu: bool,
    /// standard deviation of the initial weights, with biases of zero; PyTorch's default if it is not given
    deviation: Option<f64>,
}

impl Conv2d {
    /// `nn.Conv2d(inputs, outputs, kernel, stride, padding)` of this PyTorch name: height and width divided by the stride.
    pub fn new(name: impl Into<String>, inputs: u32, outputs: u32, window: Window) -> Self {
        let (transposed, relu, deviation) = (false, false, None);
        Self { name: name.into(), inputs, outputs, window, transposed, relu, deviation }
    }

    /// `nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding)`: height and width times the stride.
    pub fn transposed(name: impl Into<String>, inputs: u32, outputs: u32, window: Window) -> Self {
        Self { transposed: true, ..Self::new(name, inputs, outputs, window) }
    }

    /// With normal initial weights of this standard deviation, and biases of zero.
    pub fn init(self, deviation: f64) -> Self {
        Self { deviation: Some(deviation), ..self }
    }

    /// With a ReLU behind it.
    pub fn relu(self) -> Self {
        Self { relu: true, ..self }
    }

    /// The two values as `[low, high]`: that of the side of lower resolution first.
    fn sides<T>(&self, input: T, output: T) -> [T; 2] {
        if self.transposed { [input, output] } else { [output, input] }
    }

    /// Records the product from the lower resolution to the higher with `up`, else the one from the higher to the lower.
    fn product(
        &self,
        r: &mut Recorder<'_>,
        label: &str,
        (up, sizes): (bool, Geometry),
        epilogue: Epilogue,
        operands: &Operands,
    ) {
        if up {
            r.gemm(label, Conv2dTranspose::new(sizes, self.window), epilogue, operands);
        } else {
            r.gemm(label, conv2d::Conv2d::new(sizes, self.window), epilogue, operands);
        }
    }
}

/// Weight `[low, k, k, high]` and bias. `low` are the channels of the side of lower resolution.
fn params([low, high]: [u32; 2], window: Window, outputs: u32) -> Vec<ParamSpec> {
    let k = window.kernel;
    vec![ParamSpec::new(&[padded(low), k, k, padded(high)]), ParamSpec::new(&[padded(outputs)])]
}

/// PyTorch has both weights as `[low, high, k, k]`, and takes the second dimension for the number of inputs.
fn torch_params(
    name: &str,
    [low, high]: [u32; 2],
    window: Window,
    outputs: u32,
    deviation: Option<f64>,
) -> Vec<TorchParam> {
    let (k, taps, channels) = (window.kernel, window.taps(), padded(high));
    let weight = TorchLayout::new(&[low, high, k, k], &[taps * channels, 1, k * channels, channels]);
    let default = Init::Uniform(taps * high);
    let of_weight = deviation.map_or(default, Init::Normal);
    let of_bias = if deviation.is_some() { Init::Constant(0.0) } else { default };
    vec![
        TorchParam::new(format!("{name}.weight"), &[low, high, k, k], 0, weight, of_weight),
        TorchParam::new(format!("{name}.bias"), &[outputs], 1, TorchLayout::vector(outputs), of_bias),
    ]
}

/// The geometry of a convolution between a side of lower and one of higher resolution, both `[N, H, W, C]`.
fn geometry(low: Shape, high: Shape) -> Geometry {
    let ([batch, low_h, low_w, low_c], high) = (nhwc(low.dims()), nhwc(high.dims()));
    Geometry { batch, low_h, low_w, low_c, high_c: high[3] }
}

fn nhwc(dims: &[u32]) -> [u32; 4] {
    dims.try_into().unwrap_or_else(|_| panic!("a convolution takes [N, H, W, C], not {dims:?}"))
}

impl Layer for Conv2d {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        params(self.sides(self.inputs, self.outputs), self.window, self.outputs)
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        let channels = self.sides(self.inputs, self.outputs);
        torch_params(&self.name, channels, self.window, self.outputs, self.deviation)
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        let ([n, h, w, _], stride) = (nhwc(x), self.window.stride);
        let [h, w] = [h, w].map(|edge| if self.transposed { edge * stride } else { edge / stride });
        vec![n, h, w, padded(self.outputs)]
    }

    fn relu(&self) -> bool {
        self.relu
    }

    fn flops(&self, x: &[u32]) -> u64 {
        let output = self.output(x);
        let [[n, h, w, _], _] = self.sides(x, &output).map(nhwc);
        2 * u64::from(self.window.taps())
            * u64::from(n * h * w)
            * u64::from(self.inputs)
            * u64::from(self.outputs)
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        self.forward_add(r, params, (x, None), y);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        self.backward_to(r, params, x, dy, dx.map(InputGrad::replace));
    }
}

impl Conv2d {
    /// Records `y = layer(x) + addend`: a skip connection.
    pub(in crate::model) fn forward_add(
        &self,
        r: &mut Recorder<'_>,
        params: &[ParamSlice],
        (x, addend): (Tensor, Option<Tensor>),
        y: Tensor,
    ) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let operands = Operands { left: x, right: weight, aux: Some(bias), addend, out: y };
        let epilogue = if self.relu { Epilogue::BIAS_RELU } else { Epilogue::BIAS };
        let epilogue = Epilogue { add: addend.is_some(), ..epilogue };
        let [low, high] = self.sides(x.shape, y.shape);
        let way = (self.transposed, geometry(low, high));
        self.product(r, &format!("{} forward", self.name), way, epilogue, &operands);
    }

    /// [`Layer::backward`] that may add to the gradient of `x`.
    pub(in crate::model) fn backward_to(
        &self,
        r: &mut Recorder<'_>,
        params: &[ParamSlice],
        x: Value,
        dy: Grad,
        dx: Option<InputGrad>,
    ) {
        let [low, high] = self.sides(x.tensor, dy.tensor);
        let sizes = geometry(low.shape, high.shape);
        // the first reader of dy, so that its texture copy serves the products after it
        if !dy.bias_done {
            r.bias_grad(&self.name, dy.tensor, params[1]);
        }
        if let Some(InputGrad { tensor: out, accumulate }) = dx {
            let (epilogue, aux) = x.mask();
            let epilogue = Epilogue { accumulate, ..epilogue };
            let operands = Operands { left: dy.tensor, right: r.param(params[0]), aux, addend: None, out };
            let label = format!("{} input gradient", self.name);
            self.product(r, &label, (!self.transposed, sizes), epilogue, &operands);
        }
        r.weight_grad(&self.name, Conv2dWeightGrad::new(sizes, self.window), [low, high], params[0]);
    }
}
