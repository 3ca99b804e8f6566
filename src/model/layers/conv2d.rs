//! Convolution and transposed convolution, each with an optional ReLU.

use crate::gpu::{Shape, Tensor};
use crate::model::layer::{Grad, Layer, Value};
use crate::model::params::{Init, ParamSlice, ParamSpec, TorchLayout, TorchParam};
use crate::model::recorder::Recorder;
use crate::ops::conv2d::{self, Conv2dTranspose, Conv2dWeightGrad, Geometry, Window};
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::reparameterize::padded;

/// `nn.Conv2d(inputs, outputs, kernel, stride, padding)`: height and width divided by the stride.
pub struct Conv2d {
    name: String,
    inputs: u32,
    outputs: u32,
    window: Window,
    relu: bool,
    /// standard deviation of the initial weights, with biases of zero; PyTorch's default if it is not given
    deviation: Option<f64>,
}

/// `nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding)`: height and width times the stride.
pub struct ConvTranspose2d {
    name: String,
    inputs: u32,
    outputs: u32,
    window: Window,
    relu: bool,
    /// standard deviation of the initial weights, with biases of zero; PyTorch's default if it is not given
    deviation: Option<f64>,
}

macro_rules! constructors {
    ($layer:ident) => {
        impl $layer {
            /// A layer of this PyTorch name and these channels.
            pub fn new(name: impl Into<String>, inputs: u32, outputs: u32, window: Window) -> Self {
                Self { name: name.into(), inputs, outputs, window, relu: false, deviation: None }
            }

            /// With normal initial weights of this standard deviation, and biases of zero.
            pub fn init(self, deviation: f64) -> Self {
                Self { deviation: Some(deviation), ..self }
            }

            /// With a ReLU behind it.
            pub fn relu(self) -> Self {
                Self { relu: true, ..self }
            }
        }
    };
}
constructors!(Conv2d);
constructors!(ConvTranspose2d);

/// Weight `[low, k, k, high]` and bias. `low` are the channels of the side of lower resolution.
fn params([low, high]: [u32; 2], window: Window, outputs: u32) -> Vec<ParamSpec> {
    let k = window.kernel;
    vec![ParamSpec::new(&[padded(low), k, k, padded(high)]), ParamSpec::new(&[padded(outputs)])]
}

/// PyTorch has both weights as `[low, high, k, k]`, and takes the second dimension for the number of inputs.
fn torch_params(
    name: &str,
    [low, high]: [u32; 2],
    (window, outputs, deviation): (Window, u32, Option<f64>),
) -> Vec<TorchParam> {
    let (k, taps, channels) = (window.kernel, window.taps(), padded(high));
    let weight = TorchLayout::new(&[low, high, k, k], &[taps * channels, 1, k * channels, channels]);
    let default = Init::Uniform(taps * high);
    let of_weight = deviation.map_or(default, Init::Normal);
    let of_bias = if deviation.is_some() { Init::Zero } else { default };
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

/// The epilogue of an input gradient: masked if a ReLU made the input.
fn mask(x: Value) -> (Epilogue, Option<Tensor>) {
    if x.relu { (Epilogue::MASK, Some(x.tensor)) } else { (Epilogue::NONE, None) }
}

fn bias_epilogue(relu: bool) -> Epilogue {
    if relu { Epilogue::BIAS_RELU } else { Epilogue::BIAS }
}

impl Layer for Conv2d {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        params([self.outputs, self.inputs], self.window, self.outputs)
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        let rest = (self.window, self.outputs, self.deviation);
        torch_params(&self.name, [self.outputs, self.inputs], rest)
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        let [n, h, w, _] = nhwc(x);
        let stride = self.window.stride;
        vec![n, h / stride, w / stride, padded(self.outputs)]
    }

    fn relu(&self) -> bool {
        self.relu
    }

    fn flops(&self, x: &[u32]) -> u64 {
        let [n, h, w, _] = nhwc(&self.output(x));
        2 * u64::from(self.window.taps())
            * u64::from(n * h * w)
            * u64::from(self.inputs)
            * u64::from(self.outputs)
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let operands = Operands { left: x, right: weight, aux: Some(bias), addend: None, out: y };
        let op = conv2d::Conv2d::new(geometry(y.shape, x.shape), self.window);
        r.gemm(&format!("{} forward", self.name), op, bias_epilogue(self.relu), &operands);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        let sizes = geometry(dy.tensor.shape, x.tensor.shape);
        // the first reader of dy, so that its texture copy serves the products after it
        if !dy.bias_done {
            r.bias_grad(&self.name, dy.tensor, params[1]);
        }
        if let Some(out) = dx {
            let (epilogue, aux) = mask(x);
            let operands = Operands { left: dy.tensor, right: r.param(params[0]), aux, addend: None, out };
            r.gemm(
                &format!("{} input gradient", self.name),
                Conv2dTranspose::new(sizes, self.window),
                epilogue,
                &operands,
            );
        }
        r.weight_grad(
            &self.name,
            Conv2dWeightGrad::new(sizes, self.window),
            [dy.tensor, x.tensor],
            params[0],
        );
    }
}

impl Layer for ConvTranspose2d {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        params([self.inputs, self.outputs], self.window, self.outputs)
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        let rest = (self.window, self.outputs, self.deviation);
        torch_params(&self.name, [self.inputs, self.outputs], rest)
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        let [n, h, w, _] = nhwc(x);
        let stride = self.window.stride;
        vec![n, stride * h, stride * w, padded(self.outputs)]
    }

    fn relu(&self) -> bool {
        self.relu
    }

    fn flops(&self, x: &[u32]) -> u64 {
        let [n, h, w, _] = nhwc(x);
        2 * u64::from(self.window.taps())
            * u64::from(n * h * w)
            * u64::from(self.inputs)
            * u64::from(self.outputs)
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let operands = Operands { left: x, right: weight, aux: Some(bias), addend: None, out: y };
        let op = Conv2dTranspose::new(geometry(x.shape, y.shape), self.window);
        r.gemm(&format!("{} forward", self.name), op, bias_epilogue(self.relu), &operands);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        let sizes = geometry(x.tensor.shape, dy.tensor.shape);
        if !dy.bias_done {
            r.bias_grad(&self.name, dy.tensor, params[1]);
        }
        if let Some(out) = dx {
            let (epilogue, aux) = mask(x);
            let operands = Operands { left: dy.tensor, right: r.param(params[0]), aux, addend: None, out };
            let op = conv2d::Conv2d::new(sizes, self.window);
            r.gemm(&format!("{} input gradient", self.name), op, epilogue, &operands);
        }
        r.weight_grad(
            &self.name,
            Conv2dWeightGrad::new(sizes, self.window),
            [x.tensor, dy.tensor],
            params[0],
        );
    }
}
