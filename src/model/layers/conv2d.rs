//! Convolution and transposed convolution, each with an optional ReLU.

use crate::gpu::{Shape, Tensor};
use crate::model::layer::{Grad, Layer, Value};
use crate::model::params::{ParamSlice, ParamSpec, TorchLayout, TorchParam};
use crate::model::recorder::Recorder;
use crate::ops::conv2d::{self, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::reparameterize::padded;

/// `nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)`: half the height and width.
pub struct Conv2d {
    name: String,
    inputs: u32,
    outputs: u32,
    relu: bool,
}

/// `nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)`: twice the height and width.
pub struct ConvTranspose2d {
    name: String,
    inputs: u32,
    outputs: u32,
    relu: bool,
}

macro_rules! constructors {
    ($layer:ident) => {
        impl $layer {
            /// A layer of this PyTorch name and these channels.
            pub fn new(name: impl Into<String>, inputs: u32, outputs: u32) -> Self {
                Self { name: name.into(), inputs, outputs, relu: false }
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

/// Weight `[low, 4, 4, high]` and bias. `low` are the channels of the side of lower resolution.
fn params([low, high]: [u32; 2], outputs: u32) -> Vec<ParamSpec> {
    vec![ParamSpec::new(&[padded(low), 4, 4, padded(high)]), ParamSpec::new(&[padded(outputs)])]
}

/// PyTorch has both weights as `[low, high, 4, 4]`, and takes the second dimension for the number of inputs.
fn torch_params(name: &str, [low, high]: [u32; 2], outputs: u32) -> Vec<TorchParam> {
    let channels = padded(high);
    let weight = TorchLayout::new(&[low, high, 4, 4], &[16 * channels, 1, 4 * channels, channels]);
    let fan_in = 16 * high;
    vec![
        TorchParam::new(format!("{name}.weight"), &[low, high, 4, 4], 0, weight, fan_in),
        TorchParam::new(format!("{name}.bias"), &[outputs], 1, TorchLayout::vector(outputs), fan_in),
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
    if x.relu { (Epilogue::Mask, Some(x.tensor)) } else { (Epilogue::None, None) }
}

fn bias_epilogue(relu: bool) -> Epilogue {
    if relu { Epilogue::BiasRelu } else { Epilogue::Bias }
}

impl Layer for Conv2d {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        params([self.outputs, self.inputs], self.outputs)
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        torch_params(&self.name, [self.outputs, self.inputs], self.outputs)
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        let [n, h, w, _] = nhwc(x);
        vec![n, h / 2, w / 2, padded(self.outputs)]
    }

    fn relu(&self) -> bool {
        self.relu
    }

    fn flops(&self, x: &[u32]) -> u64 {
        let [n, h, w, _] = nhwc(&self.output(x));
        2 * 16 * u64::from(n * h * w) * u64::from(self.inputs) * u64::from(self.outputs)
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let operands = Operands { left: x, right: weight, aux: Some(bias), out: y };
        let op = conv2d::Conv2d::from(geometry(y.shape, x.shape));
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
            let operands = Operands { left: dy.tensor, right: r.param(params[0]), aux, out };
            r.gemm(
                &format!("{} input gradient", self.name),
                Conv2dTranspose::from(sizes),
                epilogue,
                &operands,
            );
        }
        r.weight_grad(&self.name, Conv2dWeightGrad::from(sizes), [dy.tensor, x.tensor], params[0]);
    }
}

impl Layer for ConvTranspose2d {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        params([self.inputs, self.outputs], self.outputs)
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        torch_params(&self.name, [self.inputs, self.outputs], self.outputs)
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        let [n, h, w, _] = nhwc(x);
        vec![n, 2 * h, 2 * w, padded(self.outputs)]
    }

    fn relu(&self) -> bool {
        self.relu
    }

    fn flops(&self, x: &[u32]) -> u64 {
        let [n, h, w, _] = nhwc(x);
        2 * 16 * u64::from(n * h * w) * u64::from(self.inputs) * u64::from(self.outputs)
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let operands = Operands { left: x, right: weight, aux: Some(bias), out: y };
        let op = Conv2dTranspose::from(geometry(x.shape, y.shape));
        r.gemm(&format!("{} forward", self.name), op, bias_epilogue(self.relu), &operands);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        let sizes = geometry(x.tensor.shape, dy.tensor.shape);
        if !dy.bias_done {
            r.bias_grad(&self.name, dy.tensor, params[1]);
        }
        if let Some(out) = dx {
            let (epilogue, aux) = mask(x);
            let operands = Operands { left: dy.tensor, right: r.param(params[0]), aux, out };
            let op = conv2d::Conv2d::from(sizes);
            r.gemm(&format!("{} input gradient", self.name), op, epilogue, &operands);
        }
        r.weight_grad(&self.name, Conv2dWeightGrad::from(sizes), [x.tensor, dy.tensor], params[0]);
    }
}
