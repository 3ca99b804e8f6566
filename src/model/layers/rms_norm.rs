//! The root mean square norm with SiLU behind it; its scale and shift are parameters, or come from a condition.

use crate::gpu::{Element, Shape, Tensor};
use crate::model::layer::{Grad, InputGrad, Layer, Value};
use crate::model::params::{Init, ParamSlice, ParamSpec, TorchLayout, TorchParam};
use crate::model::recorder::Recorder;
use crate::ops::rms_norm::{NormSizes, RmsNorm as Op, RmsNormAffineGrad, RmsNormBackward};

/// `y = silu(x r (1 + scale) + shift)`, `r` the inverse root mean square of a pixel's channels.
pub struct RmsNorm {
    name: String,
    channels: u32,
}

impl RmsNorm {
    /// For `channels`, a multiple of 4, with parameters `NAME.scale` and `NAME.shift`, zero to begin with.
    pub fn new(name: impl Into<String>, channels: u32) -> Self {
        Self { name: name.into(), channels }
    }

    /// [`Layer::backward`] into a gradient that may have something already.
    pub(in crate::model) fn backward_to(
        &self,
        r: &mut Recorder<'_>,
        params: &[ParamSlice],
        x: Tensor,
        dy: Tensor,
        dx: InputGrad,
    ) {
        let affine = r.param(params[0]);
        let daffine = backward(r, &self.name, sizes(x, true), [x, affine, dy], dx);
        let rows = daffine.reshape(&[x.shape.dims()[0], 2 * self.channels]);
        r.bias_grad(&self.name, rows, params[0]);
        r.release(daffine);
    }
}

/// `[N, .., C]` as N pictures of pixels.
fn sizes(x: Tensor, shared: bool) -> NormSizes {
    let dims = x.shape.dims();
    let (pictures, channels) = (dims[0], dims[dims.len() - 1]);
    NormSizes { pictures, pixels: x.len() / pictures / channels, channels, shared }
}

/// Records the gradient of `x`, and returns that of each picture's scale and shift `[N, 2, C]`, which the caller releases.
fn backward(
    r: &mut Recorder<'_>,
    name: &str,
    sizes: NormSizes,
    [x, affine, dy]: [Tensor; 3],
    dx: InputGrad,
) -> Tensor {
    let NormSizes { pictures, pixels, channels, .. } = sizes;
    let inv_rms = r.gradient(Shape::new(&[pictures, pixels]), Element::F32);
    let daffine = r.gradient(Shape::new(&[pictures, 2, channels]), Element::F32);
    let op = RmsNormBackward { sizes, accumulate: dx.accumulate };
    r.op(&format!("{name} input gradient"), op, &[x, affine, dy, dx.tensor, inv_rms]);
    let op = RmsNormAffineGrad(sizes);
    r.op(&format!("{name} scale and shift gradient"), op, &[x, affine, dy, inv_rms, daffine]);
    r.release(inv_rms);
    daffine
}

/// Records the norm of `x` with each picture's scale and shift, `affine` `[N, 2, C]`.
pub(in crate::model) fn modulated(r: &mut Recorder<'_>, name: &str, [x, affine, y]: [Tensor; 3]) {
    r.op(&format!("{name} forward"), Op(sizes(x, false)), &[x, affine, y]);
}

/// Records the gradient `dx` of [`modulated`], and returns that of `affine`, which the caller releases.
pub(in crate::model) fn modulated_backward(
    r: &mut Recorder<'_>,
    name: &str,
    [x, affine, dy]: [Tensor; 3],
    dx: Tensor,
) -> Tensor {
    backward(r, name, sizes(x, false), [x, affine, dy], InputGrad::replace(dx))
}

impl Layer for RmsNorm {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> Vec<ParamSpec> {
        vec![ParamSpec::new(&[2 * self.channels])]
    }

    fn torch_params(&self) -> Vec<TorchParam> {
        let channels = self.channels;
        [("scale", 0), ("shift", channels as usize)]
            .map(|(part, first)| {
                let layout = TorchLayout::vector(channels).at(first);
                TorchParam::new(format!("{}.{part}", self.name), &[channels], 0, layout, Init::Constant(0.0))
            })
            .to_vec()
    }

    fn output(&self, x: &[u32]) -> Vec<u32> {
        x.to_vec()
    }

    fn flops(&self, x: &[u32]) -> u64 {
        9 * x.iter().map(|&n| u64::from(n)).product::<u64>()
    }

    fn forward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Tensor, y: Tensor) {
        let affine = r.param(params[0]);
        r.op(&format!("{} forward", self.name), Op(sizes(x, true)), &[x, affine, y]);
    }

    fn backward(&self, r: &mut Recorder<'_>, params: &[ParamSlice], x: Value, dy: Grad, dx: Option<Tensor>) {
        // the gradient of scale and shift needs r, which that of x stores
        let spare = dx.is_none().then(|| r.gradient(x.tensor.shape, x.tensor.element));
        let into = dx.or(spare).expect("one of the two");
        self.backward_to(r, params, x.tensor, dy.tensor, InputGrad::replace(into));
        if let Some(spare) = spare {
            r.release(spare);
        }
    }
}
