//! The root mean square norm of a pixel's channels with scale, shift and SiLU, and its gradients.
//!
//! `y = silu(x r (1 + scale) + shift)`, `r = 1 / sqrt(mean of x^2 + 1e-6)`. Scale and shift `[2, C]` are parameters, or one
//! pair for each picture, `[N, 2, C]`, computed from its condition.
//! Sources: Zhang and Sennrich, "Root mean square layer normalization", 2019; Perez et al., "FiLM: visual reasoning with
//! a general conditioning layer", 2018.

use super::elementwise::Elementwise;
use super::silu::{silu, silu_slope};
use crate::gpu::kernel::{Constant, Kernel, Params, Source, Value};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

/// Keeps the root from zero.
const EPSILON: f64 = 1e-6;

/// The sizes that the norm and its gradients share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormSizes {
    /// N
    pub pictures: u32,
    /// P, pixels of a picture
    pub pixels: u32,
    /// C, a multiple of 4
    pub channels: u32,
    /// whether all pictures have one scale and shift
    pub shared: bool,
}

impl NormSizes {
    /// `[N, P, C]`
    fn tensor(self) -> Shape {
        Shape::new(&[self.pictures, self.pixels, self.channels])
    }

    /// `[N, 2, C]`, or `[1, 2, C]` if all share it
    fn affine(self) -> Shape {
        Shape::new(&[if self.shared { 1 } else { self.pictures }, 2, self.channels])
    }

    fn rows(self) -> u32 {
        self.pictures * self.pixels
    }

    fn elements(self) -> u64 {
        u64::from(self.rows()) * u64::from(self.channels)
    }

    fn files(own: Source) -> Vec<Source> {
        vec![
            own,
            wgsl!("flow/rms_norm_row.wgsl"),
            wgsl!("common/silu.wgsl"),
            wgsl!("common/elementwise.wgsl"),
        ]
    }

    fn params(self) -> Vec<Constant> {
        RmsNormParams { rows: self.rows(), pixels: self.pixels, vec4s: self.channels / 4 }.values()
    }

    fn constants(self) -> Vec<Constant> {
        let mut all = Elementwise::default().constants();
        all.push(("SHARED", Value::Bool(self.shared)));
        all
    }

    /// The inverse root mean square of a row.
    fn inverse_rms(self, x: &[f32], row: usize) -> f64 {
        let channels = self.channels as usize;
        let squares = x[row * channels..(row + 1) * channels].iter().map(|x| f64::from(*x).powi(2));
        1.0 / (squares.sum::<f64>() / channels as f64 + EPSILON).sqrt()
    }

    /// Scale and shift of channel `c` of a row.
    fn scale_shift(self, affine: &[f32], row: usize, c: usize) -> [f64; 2] {
        let channels = self.channels as usize;
        let picture = if self.shared { 0 } else { row / self.pixels as usize };
        [0, 1].map(|half| f64::from(affine[(2 * picture + half) * channels + c]))
    }
}

params! {
    /// Sizes of the three kernels, in `rms_norm_row.wgsl`.
    pub struct RmsNormParams {
        /// N P, pixels of all pictures
        rows: u32,
        /// P, pixels of a picture
        pixels: u32,
        /// vec4s of a row: C / 4
        vec4s: u32,
    }
}

/// `y[N, P, C] = silu(x r (1 + scale) + shift)`.
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm(pub NormSizes);

impl Op for RmsNorm {
    fn kernel(&self) -> Kernel {
        Kernel { name: "rms_norm", files: NormSizes::files(wgsl!("flow/rms_norm.wgsl")) }
    }

    fn params(&self) -> Vec<Constant> {
        self.0.params()
    }

    fn constants(&self) -> Vec<Constant> {
        self.0.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("x", self.0.tensor()), ("affine", self.0.affine()), ("y", self.0.tensor())]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.0.rows())
    }

    fn flops(&self) -> u64 {
        9 * self.0.elements()
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, affine, y] = buffers else { panic!("rms_norm: {} operands", buffers.len()) };
        for (row, y) in y.chunks_mut(self.0.channels as usize).enumerate() {
            let r = self.0.inverse_rms(x, row);
            for (c, y) in y.iter_mut().enumerate() {
                let [scale, shift] = self.0.scale_shift(affine, row, c);
                let u = f64::from(x[row * self.0.channels as usize + c]) * r;
                *y = silu(u * (1.0 + scale) + shift) as f32;
            }
        }
    }
}

/// `dx[N, P, C]`, the gradient of [`RmsNorm`] by x, and `inv_rms[N, P]`, the r of every pixel.
#[derive(Debug, Clone, Copy)]
pub struct RmsNormBackward {
    /// sizes
    pub sizes: NormSizes,
    /// whether it is added to what `dx` has
    pub accumulate: bool,
}

impl Op for RmsNormBackward {
    fn kernel(&self) -> Kernel {
        Kernel { name: "rms_norm_backward", files: NormSizes::files(wgsl!("flow/rms_norm_backward.wgsl")) }
    }

    fn params(&self) -> Vec<Constant> {
        self.sizes.params()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.sizes.constants();
        all.push(("ACCUMULATE", Value::Bool(self.accumulate)));
        all
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let (values, sizes) = (self.sizes.tensor(), self.sizes);
        let rows = Shape::new(&[sizes.pictures, sizes.pixels]);
        vec![("x", values), ("affine", sizes.affine()), ("dy", values), ("dx", values), ("inv_rms", rows)]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.sizes.rows())
    }

    fn flops(&self) -> u64 {
        32 * self.sizes.elements()
    }

    fn reads_output(&self) -> bool {
        self.accumulate
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, affine, dy, dx, inv_rms] = buffers else {
            panic!("rms_norm_backward: {} operands", buffers.len())
        };
        let channels = self.sizes.channels as usize;
        for (row, dx) in dx.chunks_mut(channels).enumerate() {
            let r = self.sizes.inverse_rms(x, row);
            inv_rms[row] = r as f32;
            let of = |c: usize| {
                let [scale, shift] = self.sizes.scale_shift(affine, row, c);
                let u = f64::from(x[row * channels + c]) * r;
                let dv = f64::from(dy[row * channels + c]) * silu_slope(u * (1.0 + scale) + shift);
                [u, dv * (1.0 + scale)]
            };
            let mean = (0..channels).map(of).map(|[u, du]| u * du).sum::<f64>() / channels as f64;
            for (c, dx) in dx.iter_mut().enumerate() {
                let [u, du] = of(c);
                let before = if self.accumulate { f64::from(*dx) } else { 0.0 };
                *dx = (before + r * (du - u * mean)) as f32;
            }
        }
    }
}

/// `daffine[N, 2, C]`, the gradient of [`RmsNorm`] by each picture's scale and shift; `inv_rms` is that of
/// [`RmsNormBackward`]. If all pictures have one pair, its gradient is the sum over N.
#[derive(Debug, Clone, Copy)]
pub struct RmsNormAffineGrad(pub NormSizes);

impl Op for RmsNormAffineGrad {
    fn kernel(&self) -> Kernel {
        let files = NormSizes::files(wgsl!("flow/rms_norm_affine_grad.wgsl"));
        Kernel { name: "rms_norm_affine_grad", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.0.params()
    }

    fn constants(&self) -> Vec<Constant> {
        self.0.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let NormSizes { pictures, pixels, channels, .. } = self.0;
        let rows = Shape::new(&[pictures, pixels]);
        let out = Shape::new(&[pictures, 2, channels]);
        let values = self.0.tensor();
        vec![("x", values), ("affine", self.0.affine()), ("dy", values), ("inv_rms", rows), ("daffine", out)]
    }

    fn groups(&self) -> u64 {
        Elementwise::default().groups(self.0.pictures * self.0.channels / 4)
    }

    fn flops(&self) -> u64 {
        16 * self.0.elements()
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [x, affine, dy, inv_rms, daffine] = buffers else {
            panic!("rms_norm_affine_grad: {} operands", buffers.len())
        };
        let [pixels, channels] = [self.0.pixels, self.0.channels].map(|n| n as usize);
        for (picture, out) in daffine.chunks_mut(2 * channels).enumerate() {
            for c in 0..channels {
                let mut sums = [0.0; 2];
                for row in picture * pixels..(picture + 1) * pixels {
                    let [scale, shift] = self.0.scale_shift(affine, row, c);
                    let u = f64::from(x[row * channels + c]) * f64::from(inv_rms[row]);
                    let dv = f64::from(dy[row * channels + c]) * silu_slope(u * (1.0 + scale) + shift);
                    sums = [sums[0] + dv * u, sums[1] + dv];
                }
                [out[c], out[channels + c]] = sums.map(|sum| sum as f32);
            }
        }
    }
}
