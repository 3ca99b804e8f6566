//! The running average of the parameters, and its exchange with them.

use super::elementwise::Elementwise;
use super::loss_scale::LossScale;
use super::step::Step;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::{params, wgsl};

params! {
    /// vec4s of a range of parameters.
    pub struct Range {
        /// of the range
        quads: u32,
    }
}

/// `average += step.average * (param - average)` over one range.
#[derive(Debug, Clone, Copy)]
pub struct Ema {
    range: Range,
    sweep: Elementwise,
}

impl Ema {
    /// A range of `len` elements, a multiple of 4.
    pub fn new(len: u32, sweep: Elementwise) -> Self {
        Self { range: Range { quads: len / 4 }, sweep }
    }
}

impl Op for Ema {
    fn kernel(&self) -> Kernel {
        let own = [wgsl!("average.wgsl"), wgsl!("sweep.wgsl"), wgsl!("step.wgsl"), wgsl!("loss_scale.wgsl")];
        Kernel { name: "average", files: own.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.range.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.sweep.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let range = Shape::new(&[4 * self.range.quads]);
        vec![("step", Step::shape()), ("param", range), ("scaling", LossScale::shape()), ("average", range)]
    }

    fn groups(&self) -> u64 {
        self.sweep.groups(self.range.quads)
    }

    fn flops(&self) -> u64 {
        4 * 3 * u64::from(self.range.quads)
    }

    fn updates(&self) -> bool {
        true
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, param, scaling, average] = buffers else { panic!("average: {} operands", buffers.len()) };
        if LossScale::from_words(scaling).found != 0 {
            return;
        }
        let rate = f64::from(Step::from_words(step).average);
        for (average, &param) in average.iter_mut().zip(param.iter()) {
            let was = f64::from(*average);
            *average = (was + rate * (f64::from(param) - was)) as f32;
        }
    }
}

/// Exchanges two ranges.
#[derive(Debug, Clone, Copy)]
pub struct Swap {
    range: Range,
    sweep: Elementwise,
}

impl Swap {
    /// Ranges of `len` elements, a multiple of 4.
    pub fn new(len: u32, sweep: Elementwise) -> Self {
        Self { range: Range { quads: len / 4 }, sweep }
    }
}

impl Op for Swap {
    fn kernel(&self) -> Kernel {
        Kernel { name: "swap", files: vec![wgsl!("swap.wgsl"), wgsl!("sweep.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.range.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.sweep.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let range = Shape::new(&[4 * self.range.quads]);
        vec![("one", range), ("other", range)]
    }

    fn groups(&self) -> u64 {
        self.sweep.groups(self.range.quads)
    }

    fn flops(&self) -> u64 {
        0
    }

    fn updates(&self) -> bool {
        true
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [one, other] = buffers else { panic!("swap: {} operands", buffers.len()) };
        std::mem::swap(one, other);
    }
}
