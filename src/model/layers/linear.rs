//! Fully connected layer between tensors of any shape, `nn.Linear` on flattened rows.

use crate::gpu::Tensor;
use crate::model::layer::{Grad, InputGrad, Layer, Value};
use crate::model::params::{Init, ParamSlice, ParamSpec, TorchLayout, TorchParam};
use crate::model::recorder::Recorder;
use crate::ops::gemm::{Epilogue, Operands};
use crate::ops::linear::{self, LinearInputGrad, LinearWeightGrad};

/// `y[n, o] = bias[o] + sum over i of x[n, i] * weight[o, i]`, i and o over all elements of a row, padding included.
pub struct Linear {
    name: String,
    inputs: u32,
    /// shape of one row of the output
    output: Vec<u32>,
    torch: Vec<TorchParam>,
}

impl Linear {
    /// A layer from rows of `inputs` elements to rows of shape `output`; `torch` says which elements of its weight
    /// (parameter 0) and bias (parameter 1) PyTorch has under which names.
    pub fn new(name: impl Into<String>, inputs: u32, output: &[u32], torch: Vec<TorchParam>) -> Self {
        Self { name: name.into(), inputs, output: output.to_vec(), torch }
    }

    fn outputs(&self) -> u32 {
        self.output.iter().product()
    }
}

/// `[N, ..]` as `[N, elements of a row]`.
fn rows(tensor: Tensor) -> Tensor {
    let n = tensor.shape.dims()[0];
    tensor.reshape(&[n, tensor.len() / n])
}

impl Layer for Linear {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        vec![ParamSpec::new(&[self.outputs(), self.inputs]), ParamSpec::new(&[self.outputs()])]
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        self.torch.clone()
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        [&x[..1], &self.output].concat()
    }

    fn flops(&self, x: &[u32]) -> u64 {
        2 * u64::from(x[0]) * u64::from(self.inputs) * u64::from(self.outputs())
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let [weight, bias] = [0, 1].map(|at| r.param(params[at]));
        let op = linear::Linear {
            rows: x.shape.dims()[0],
            inputs: self.inputs,
            outputs: self.outputs(),
            planes: 1,
        };
        let operands = Operands { left: rows(x), right: weight, aux: Some(bias), addend: None, out: rows(y) };
        r.gemm(&format!("{} forward", self.name), op, Epilogue::BIAS, &operands);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        self.backward_to(r, params, x, dy, dx.map(InputGrad::replace));
    }
}

impl Linear {
    /// A layer from rows of `inputs` elements to rows of `outputs`, both multiples of 4, as PyTorch has it.
    pub fn plain(name: impl Into<String>, inputs: u32, outputs: u32) -> Self {
        let name = name.into();
        let weight = TorchLayout::new(&[outputs, inputs], &[inputs, 1]);
        let init = Init::Uniform(inputs);
        let torch = vec![
            TorchParam::new(format!("{name}.weight"), &[outputs, inputs], 0, weight, init),
            TorchParam::new(format!("{name}.bias"), &[outputs], 1, TorchLayout::vector(outputs), init),
        ];
        Self::new(name, inputs, &[outputs], torch)
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
        let [n, inputs, outputs] = [x.tensor.shape.dims()[0], self.inputs, self.outputs()];
        let (x, dy_rows) = (Value { tensor: rows(x.tensor), ..x }, rows(dy.tensor));
        if !dy.bias_done {
            r.bias_grad(&self.name, dy_rows, params[1]);
        }
        if let Some(InputGrad { tensor: out, accumulate }) = dx {
            let (epilogue, aux) = x.mask();
            let epilogue = Epilogue { accumulate, ..epilogue };
            let operands =
                Operands { left: dy_rows, right: r.param(params[0]), aux, addend: None, out: rows(out) };
            let op = LinearInputGrad { rows: n, inputs, outputs, planes: 1 };
            r.gemm(&format!("{} input gradient", self.name), op, epilogue, &operands);
        }
        let op = LinearWeightGrad { rows: n, inputs, outputs, planes: 1 };
        r.weight_grad(&self.name, op, [dy_rows, x.tensor], params[0]);
    }
}
