//! Exponential moving average (EMA) of the parameters, and the exchange of both.

use super::elementwise::Elementwise;
use super::loss_scale::LossScale;
use super::step::Step;
use crate::gpu::Op;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::{params, wgsl};

params! {
    /// vec4s of a range of parameters.
    pub struct Range {
        /// vec4s of the range
        vec4s: u32,
    }
}

/// `average += step.ema * (param - average)` over one range.
#[derive(Debug, Clone, Copy)]
pub struct Ema {
    range: Range,
    launch: Elementwise,
}

impl Ema {
    /// A range of `len` elements, a multiple of 4.
    pub fn new(len: u32, launch: Elementwise) -> Self {
        Self { range: Range { vec4s: len / 4 }, launch }
    }
}

impl Op for Ema {
    fn kernel(&self) -> Kernel {
        let own = [
            wgsl!("optimizer/ema.wgsl"),
            wgsl!("common/elementwise.wgsl"),
            wgsl!("common/step.wgsl"),
            wgsl!("optimizer/loss_scale.wgsl"),
        ];
        Kernel { name: "ema", files: own.to_vec() }
    }

    fn params(&self) -> Vec<Constant> {
        self.range.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.launch.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let range = Shape::new(&[4 * self.range.vec4s]);
        vec![("step", Step::shape()), ("param", range), ("scaling", LossScale::shape()), ("average", range)]
    }

    fn groups(&self) -> u64 {
        self.launch.groups(self.range.vec4s)
    }

    fn flops(&self) -> u64 {
        4 * 3 * u64::from(self.range.vec4s)
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [step, param, scaling, average] = buffers else { panic!("ema: {} operands", buffers.len()) };
        if LossScale::from_words(scaling).found_inf != 0 {
            return;
        }
        let rate = f64::from(Step::from_words(step).ema);
        for (average, &param) in average.iter_mut().zip(param.iter()) {
            let was = f64::from(*average);
            *average = (was + rate * (f64::from(param) - was)) as f32;
        }
    }
}

/// Exchanges two ranges.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    range: Range,
    launch: Elementwise,
}

impl Exchange {
    /// Ranges of `len` elements, a multiple of 4.
    pub fn new(len: u32, launch: Elementwise) -> Self {
        Self { range: Range { vec4s: len / 4 }, launch }
    }
}

impl Op for Exchange {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "exchange",
            files: vec![wgsl!("optimizer/exchange.wgsl"), wgsl!("common/elementwise.wgsl")],
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.range.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.launch.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let range = Shape::new(&[4 * self.range.vec4s]);
        vec![("one", range), ("other", range)]
    }

    fn groups(&self) -> u64 {
        self.launch.groups(self.range.vec4s)
    }

    fn flops(&self) -> u64 {
        0
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [one, other] = buffers else { panic!("exchange: {} operands", buffers.len()) };
        std::mem::swap(one, other);
    }
}
