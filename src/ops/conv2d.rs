//! Convolution and transposed convolution, kernel 4, stride 2, padding 1, and their weight gradient.
//!
//! One pair of tensors serves all three: `low` `[N, H, W, C_low]` and `high` `[N, 2H, 2W, C_high]`, with
//! weights `[C_low, 4, 4, C_high]`. The input gradient of one convolution is the other with the same weights.

use super::gemm::{Convolution, Product, Side, Size};
use crate::gpu::Shape;
use crate::gpu::kernel::Source;
use crate::{params, wgsl};

/// Kernel edge.
const EDGE: usize = 4;

macro_rules! conv_params {
    ($(#[$meta:meta])* $name:ident) => {
        params! {
            $(#[$meta])*
            pub struct $name {
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

        impl From<Geometry> for $name {
            fn from(g: Geometry) -> Self {
                let Geometry { batch, low_h, low_w, low_c, high_c } = g;
                Self { batch, low_h, low_w, low_c, high_c }
            }
        }

        impl $name {
            fn geometry(&self) -> Geometry {
                let Self { batch, low_h, low_w, low_c, high_c } = *self;
                Geometry { batch, low_h, low_w, low_c, high_c }
            }
        }
    };
}

/// The sizes that a convolution, its transpose and their weight gradient share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// N
    pub batch: u32,
    /// H
    pub low_h: u32,
    /// W
    pub low_w: u32,
    /// channels of the low side, a multiple of 4
    pub low_c: u32,
    /// channels of the high side, a multiple of 4
    pub high_c: u32,
}

impl Geometry {
    /// `[N, H, W, C_low]`
    pub fn low(&self) -> Shape {
        Shape::new(&[self.batch, self.low_h, self.low_w, self.low_c])
    }

    /// `[N, 2H, 2W, C_high]`
    pub fn high(&self) -> Shape {
        Shape::new(&[self.batch, 2 * self.low_h, 2 * self.low_w, self.high_c])
    }

    /// `[C_low, 4, 4, C_high]`
    pub fn weight(&self) -> Shape {
        Shape::new(&[self.low_c, 4, 4, self.high_c])
    }

    fn pixels(&self) -> u32 {
        self.batch * self.low_h * self.low_w
    }

    /// As plain data, with the sides that a product's left factor, right factor and output are.
    fn convolution(&self, sides: [Side; 3]) -> Convolution {
        let Self { batch, low_h, low_w, low_c, high_c } = *self;
        Convolution { batch, low_h, low_w, low_c, high_c, sides }
    }

    /// One multiplication and one addition per pair of channels and tap that lies inside: 2 of 4 H along an edge do not.
    fn flops(&self) -> u64 {
        let taps = |edge: u32| u64::from(4 * edge - 2);
        let taps = u64::from(self.batch) * taps(self.low_h) * taps(self.low_w);
        2 * taps * u64::from(self.low_c) * u64::from(self.high_c)
    }

    /// Calls `f(low pixel, tap, high pixel)` for every tap of every pixel that lies inside.
    fn taps(&self, mut f: impl FnMut(usize, usize, usize)) {
        let [n, h, w] = [self.batch, self.low_h, self.low_w].map(|d| d as usize);
        for (image, i, j) in (0..n).flat_map(|n| (0..h).flat_map(move |i| (0..w).map(move |j| (n, i, j)))) {
            for (ky, kx) in (0..EDGE).flat_map(|ky| (0..EDGE).map(move |kx| (ky, kx))) {
                let (row, col) = (2 * i + ky, 2 * j + kx); // one more than in the high side
                if row >= 1 && row <= 2 * h && col >= 1 && col <= 2 * w {
                    let high = (image * 2 * h + row - 1) * 2 * w + col - 1;
                    f((image * h + i) * w + j, ky * EDGE + kx, high);
                }
            }
        }
    }
}

conv_params! {
    /// `out[N, H, W, C_low] = conv(x[N, 2H, 2W, C_high])`.
    Conv2d
}

impl Product for Conv2d {
    const K_MAJOR: [bool; 2] = [true, true];

    fn source() -> Source {
        wgsl!("conv/conv2d.wgsl")
    }

    fn shared() -> Source {
        wgsl!("conv/conv2d_pixels.wgsl")
    }

    fn size(&self) -> Size {
        Size { m: self.geometry().pixels(), n: self.low_c, k: 16 * self.high_c, planes: 1 }
    }

    fn shapes(&self) -> [Shape; 3] {
        let g = self.geometry();
        [g.high(), g.weight(), g.low()]
    }

    fn convolution(&self) -> Option<Convolution> {
        Some(self.geometry().convolution([Side::High, Side::Weights, Side::Low]))
    }

    fn flops(&self) -> u64 {
        self.geometry().flops()
    }

    fn twin(&self, x: &[f32], weight: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let (low_c, high_c) = (self.low_c as usize, self.high_c as usize);
        let mut out = vec![0.0f64; self.geometry().low().len() as usize];
        self.geometry().taps(|low, tap, high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let w = weight[(o * 16 + tap) * high_c + c];
                    out[low * low_c + o] += f64::from(x[high * high_c + c]) * f64::from(w);
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}

conv_params! {
    /// `out[N, 2H, 2W, C_high] = conv_transpose(x[N, H, W, C_low])`.
    Conv2dTranspose
}

impl Product for Conv2dTranspose {
    const K_MAJOR: [bool; 2] = [true, false];

    fn source() -> Source {
        wgsl!("conv/conv2d_transpose.wgsl")
    }

    fn shared() -> Source {
        wgsl!("conv/conv2d_pixels.wgsl")
    }

    fn size(&self) -> Size {
        Size { m: self.geometry().pixels(), n: self.high_c, k: 4 * self.low_c, planes: 4 }
    }

    fn shapes(&self) -> [Shape; 3] {
        let g = self.geometry();
        [g.low(), g.weight(), g.high()]
    }

    fn convolution(&self) -> Option<Convolution> {
        Some(self.geometry().convolution([Side::Low, Side::Weights, Side::High]))
    }

    fn flops(&self) -> u64 {
        self.geometry().flops()
    }

    fn twin(&self, x: &[f32], weight: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let (low_c, high_c) = (self.low_c as usize, self.high_c as usize);
        let mut out = vec![0.0f64; self.geometry().high().len() as usize];
        self.geometry().taps(|low, tap, high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let w = weight[(o * 16 + tap) * high_c + c];
                    out[high * high_c + c] += f64::from(x[low * low_c + o]) * f64::from(w);
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}

conv_params! {
    /// `out[C_low, 4, 4, C_high]`, the weight gradient, from `low[N, H, W, C_low]` and `high[N, 2H, 2W, C_high]`.
    Conv2dWeightGrad
}

impl Product for Conv2dWeightGrad {
    const K_MAJOR: [bool; 2] = [false, false];

    fn source() -> Source {
        wgsl!("conv/conv2d_weight_grad.wgsl")
    }

    fn shared() -> Source {
        wgsl!("conv/conv2d_pixels.wgsl")
    }

    fn size(&self) -> Size {
        Size { m: self.low_c, n: 16 * self.high_c, k: self.geometry().pixels(), planes: 1 }
    }

    fn shapes(&self) -> [Shape; 3] {
        let g = self.geometry();
        [g.low(), g.high(), g.weight()]
    }

    fn convolution(&self) -> Option<Convolution> {
        Some(self.geometry().convolution([Side::Low, Side::High, Side::Weights]))
    }

    fn flops(&self) -> u64 {
        self.geometry().flops()
    }

    fn twin(&self, low: &[f32], high: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let (low_c, high_c) = (self.low_c as usize, self.high_c as usize);
        let mut out = vec![0.0f64; self.geometry().weight().len() as usize];
        self.geometry().taps(|at_low, tap, at_high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let product = f64::from(low[at_low * low_c + o]) * f64::from(high[at_high * high_c + c]);
                    out[(o * 16 + tap) * high_c + c] += product;
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}
