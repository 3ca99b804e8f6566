//! Convolution, transposed convolution and their weight gradient, for every [`Window`].
//!
//! One pair of tensors serves all three: `low` `[N, H, W, C_low]` and `high` `[N, sH, sW, C_high]` for a stride of s, with
//! weights `[C_low, k, k, C_high]` for a kernel of k. The input gradient of either convolution is the other one with the
//! weights unchanged.

use super::gemm::{Convolution, Product, Side, Size};
use crate::gpu::Shape;
use crate::gpu::kernel::Source;
use crate::{params, wgsl};

/// Kernel, stride and padding of a convolution whose sides' sizes are in the ratio of the stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// edge of the kernel
    pub kernel: u32,
    /// pixels of the high side for each of the low side, along each axis
    pub stride: u32,
    /// zeros around the high side
    pub padding: u32,
}

impl Window {
    /// Half the resolution: kernel 4, stride 2, padding 1.
    pub const HALF: Self = Self { kernel: 4, stride: 2, padding: 1 };
    /// 3 x 3 at the same resolution.
    pub const SAME: Self = Self { kernel: 3, stride: 1, padding: 1 };
    /// 1 x 1: every pixel alone.
    pub const POINTWISE: Self = Self { kernel: 1, stride: 1, padding: 0 };
    /// Every window that the kernels know.
    pub const ALL: [Self; 3] = [Self::HALF, Self::SAME, Self::POINTWISE];

    /// Taps of the kernel.
    pub fn taps(self) -> u32 {
        self.kernel * self.kernel
    }
}

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
                /// edge of the kernel
                kernel: u32,
                /// pixels of the high side for each of the low side, along each axis
                stride: u32,
                /// zeros around the high side
                padding: u32,
            }
        }

        impl From<Geometry> for $name {
            fn from(g: Geometry) -> Self {
                Self::new(g, Window::HALF)
            }
        }

        impl $name {
            /// For sides of these sizes.
            pub fn new(g: Geometry, window: Window) -> Self {
                let Geometry { batch, low_h, low_w, low_c, high_c } = g;
                let Window { kernel, stride, padding } = window;
                Self { batch, low_h, low_w, low_c, high_c, kernel, stride, padding }
            }

            fn geometry(&self) -> Geometry {
                let Self { batch, low_h, low_w, low_c, high_c, .. } = *self;
                Geometry { batch, low_h, low_w, low_c, high_c }
            }

            fn window(&self) -> Window {
                Window { kernel: self.kernel, stride: self.stride, padding: self.padding }
            }

            /// Shapes of the low side, the high side and the weight.
            fn sides(&self) -> [Shape; 3] {
                let (g, window) = (self.geometry(), self.window());
                [g.low(), g.high_of(window), g.weight_of(window)]
            }

            /// The convolution as the Winograd algorithm takes it, which serves [`Window::HALF`] only.
            fn halving(&self, sides: [Side; 3]) -> Option<Convolution> {
                (self.window() == Window::HALF).then(|| self.geometry().convolution(sides))
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

    /// `[N, 2H, 2W, C_high]`, of [`Window::HALF`]
    pub fn high(&self) -> Shape {
        self.high_of(Window::HALF)
    }

    /// `[C_low, 4, 4, C_high]`, of [`Window::HALF`]
    pub fn weight(&self) -> Shape {
        self.weight_of(Window::HALF)
    }

    /// `[N, sH, sW, C_high]`
    pub fn high_of(&self, window: Window) -> Shape {
        Shape::new(&[self.batch, window.stride * self.low_h, window.stride * self.low_w, self.high_c])
    }

    /// `[C_low, k, k, C_high]`
    pub fn weight_of(&self, window: Window) -> Shape {
        Shape::new(&[self.low_c, window.kernel, window.kernel, self.high_c])
    }

    fn pixels(&self) -> u32 {
        self.batch * self.low_h * self.low_w
    }

    /// As plain data, with the sides that a product's left factor, right factor and output are.
    fn convolution(&self, sides: [Side; 3]) -> Convolution {
        let Self { batch, low_h, low_w, low_c, high_c } = *self;
        Convolution { batch, low_h, low_w, low_c, high_c, sides }
    }

    /// One multiplication and one addition per pair of channels and tap inside the picture; along an edge some are outside.
    fn flops(&self, window: Window) -> u64 {
        let Window { kernel, stride, padding } = window;
        let inside = |low: u32| {
            let taps = (0..low).flat_map(|i| (0..kernel).map(move |k| stride * i + k));
            taps.filter(|at| (padding..stride * low + padding).contains(at)).count() as u64
        };
        let taps = u64::from(self.batch) * inside(self.low_h) * inside(self.low_w);
        2 * taps * u64::from(self.low_c) * u64::from(self.high_c)
    }

    /// Calls `f(low pixel, tap, high pixel)` for every tap of every pixel that is inside.
    fn taps(&self, window: Window, mut f: impl FnMut(usize, usize, usize)) {
        let [n, h, w] = [self.batch, self.low_h, self.low_w].map(|d| d as usize);
        let [kernel, stride, padding] = [window.kernel, window.stride, window.padding].map(|d| d as usize);
        for (picture, i, j) in (0..n).flat_map(|n| (0..h).flat_map(move |i| (0..w).map(move |j| (n, i, j)))) {
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                // the row and the column of the high side, plus the padding
                let (row, col) = (stride * i + ky, stride * j + kx);
                let inside = |at: usize, len: usize| (padding..stride * len + padding).contains(&at);
                if inside(row, h) && inside(col, w) {
                    let high = (picture * stride * h + row - padding) * stride * w + col - padding;
                    f((picture * h + i) * w + j, ky * kernel + kx, high);
                }
            }
        }
    }
}

conv_params! {
    /// `out[N, H, W, C_low] = conv(x[N, sH, sW, C_high])`.
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
        Size { m: self.geometry().pixels(), n: self.low_c, k: self.window().taps() * self.high_c, planes: 1 }
    }

    fn shapes(&self) -> [Shape; 3] {
        let [low, high, weight] = self.sides();
        [high, weight, low]
    }

    fn convolution(&self) -> Option<Convolution> {
        self.halving([Side::High, Side::Weights, Side::Low])
    }

    fn flops(&self) -> u64 {
        self.geometry().flops(self.window())
    }

    fn twin(&self, x: &[f32], weight: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let [low_c, high_c, taps] = [self.low_c, self.high_c, self.window().taps()].map(|n| n as usize);
        let mut out = vec![0.0f64; self.geometry().low().len() as usize];
        self.geometry().taps(self.window(), |low, tap, high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let w = weight[(o * taps + tap) * high_c + c];
                    out[low * low_c + o] += f64::from(x[high * high_c + c]) * f64::from(w);
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}

conv_params! {
    /// `out[N, sH, sW, C_high] = conv_transpose(x[N, H, W, C_low])`.
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
        // each parity of the output's rows and columns meets its own taps
        let (stride, taps) = (self.stride, self.kernel / self.stride);
        Size {
            m: self.geometry().pixels(),
            n: self.high_c,
            k: taps * taps * self.low_c,
            planes: stride * stride,
        }
    }

    fn shapes(&self) -> [Shape; 3] {
        let [low, high, weight] = self.sides();
        [low, weight, high]
    }

    fn convolution(&self) -> Option<Convolution> {
        self.halving([Side::Low, Side::Weights, Side::High])
    }

    fn flops(&self) -> u64 {
        self.geometry().flops(self.window())
    }

    fn twin(&self, x: &[f32], weight: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let [low_c, high_c, taps] = [self.low_c, self.high_c, self.window().taps()].map(|n| n as usize);
        let mut out = vec![0.0f64; self.sides()[1].len() as usize];
        self.geometry().taps(self.window(), |low, tap, high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let w = weight[(o * taps + tap) * high_c + c];
                    out[high * high_c + c] += f64::from(x[low * low_c + o]) * f64::from(w);
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}

conv_params! {
    /// `out[C_low, k, k, C_high]`, the weight gradient, from `low[N, H, W, C_low]` and `high[N, sH, sW, C_high]`.
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
        Size { m: self.low_c, n: self.window().taps() * self.high_c, k: self.geometry().pixels(), planes: 1 }
    }

    fn shapes(&self) -> [Shape; 3] {
        self.sides()
    }

    fn convolution(&self) -> Option<Convolution> {
        self.halving([Side::Low, Side::High, Side::Weights])
    }

    fn flops(&self) -> u64 {
        self.geometry().flops(self.window())
    }

    fn twin(&self, low: &[f32], high: &[f32], emit: &mut dyn FnMut(usize, f64)) {
        let [low_c, high_c, taps] = [self.low_c, self.high_c, self.window().taps()].map(|n| n as usize);
        let mut out = vec![0.0f64; self.sides()[2].len() as usize];
        self.geometry().taps(self.window(), |at_low, tap, at_high| {
            for o in 0..low_c {
                for c in 0..high_c {
                    let product = f64::from(low[at_low * low_c + o]) * f64::from(high[at_high * high_c + c]);
                    out[(o * taps + tap) * high_c + c] += product;
                }
            }
        });
        out.iter().enumerate().for_each(|(at, sum)| emit(at, *sum));
    }
}
