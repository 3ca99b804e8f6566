//! Sums in fixed order: the parts of a split product, the columns of a matrix.

use super::gemm::Epilogue;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::gpu::{Plan, ProgramId, Shape, Tensor};
use crate::{params, wgsl};

params! {
    /// Sizes of `split_sum.wgsl`.
    pub struct SplitSumParams {
        /// parts to add
        parts: u32,
        /// vec4s of the output
        quads: u32,
        /// vec4s of the output's last dimension
        channels: u32,
    }
}

/// `out = finish(sum of parts)`.
#[derive(Debug, Clone, Copy)]
pub struct SplitSum {
    params: SplitSumParams,
    epilogue: Epilogue,
}

impl SplitSum {
    /// Adds `parts` of `len` elements each, whose last dimension is `channels`.
    pub fn new(parts: u32, len: u32, channels: u32, epilogue: Epilogue) -> Self {
        Self { params: SplitSumParams { parts, quads: len / 4, channels: channels / 4 }, epilogue }
    }
}

impl Op for SplitSum {
    fn kernel(&self) -> Kernel {
        Kernel { name: "split_sum", files: vec![wgsl!("split_sum.wgsl"), wgsl!("epilogue.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.epilogue.constants()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let SplitSumParams { parts, quads, channels } = self.params;
        let out = Shape::new(&[4 * quads]);
        vec![
            ("parts", Shape::new(&[parts, 4 * quads])),
            ("aux", self.epilogue.aux(out, 4 * channels)),
            ("out", out),
        ]
    }

    fn aliases(&self) -> &'static [Option<&'static str>] {
        &[None, Some("Aux"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.quads).div_ceil(64)
    }

    fn flops(&self) -> u64 {
        u64::from(self.params.parts) * 4 * u64::from(self.params.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [parts, aux, out] = buffers else { panic!("split_sum: {} operands", buffers.len()) };
        let len = out.len();
        for at in 0..len {
            let sum = (0..self.params.parts as usize).map(|p| f64::from(parts[p * len + at])).sum();
            self.epilogue.finish(out, at, sum, aux, 4 * self.params.channels);
        }
    }
}

params! {
    /// Partial column sums of `[rows, 4 quads]`.
    pub struct BiasGrad {
        /// rows of the matrix
        rows: u32,
        /// vec4s of a row
        quads: u32,
        /// partial sums
        parts: u32,
        /// rows in each
        rows_per_part: u32,
    }
}

impl BiasGrad {
    /// Cuts `rows` into enough parts to keep a GPU busy, none of them tiny.
    pub fn new(rows: u32, channels: u32) -> Self {
        let rows_per_part = rows.div_ceil(128).max(16);
        Self { rows, quads: channels / 4, parts: rows.div_ceil(rows_per_part), rows_per_part }
    }
}

impl Op for BiasGrad {
    fn kernel(&self) -> Kernel {
        Kernel { name: "bias_grad", files: vec![wgsl!("bias_grad.wgsl")] }
    }

    fn params(&self) -> Vec<Constant> {
        self.values()
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let channels = 4 * self.quads;
        vec![("dy", Shape::new(&[self.rows, channels])), ("out", Shape::new(&[self.parts, channels]))]
    }

    fn aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("In")]
    }

    fn groups(&self) -> u64 {
        u64::from(self.parts) * u64::from(self.quads.div_ceil(64.min(self.quads)))
    }

    fn flops(&self) -> u64 {
        u64::from(self.rows) * 4 * u64::from(self.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [dy, out] = buffers else { panic!("bias_grad: {} operands", buffers.len()) };
        let channels = 4 * self.quads as usize;
        for (at, value) in out.iter_mut().enumerate() {
            let begin = at / channels * self.rows_per_part as usize;
            let end = (self.rows as usize).min(begin + self.rows_per_part as usize);
            *value =
                (begin..end).map(|row| f64::from(dy[row * channels + at % channels])).sum::<f64>() as f32;
        }
    }
}

/// Records `out[C]` = column sums of `dy[.., C]`, or `+=`.
pub fn bias_grad(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    (dy, out): (Tensor, Tensor),
    epilogue: Epilogue,
) {
    let channels = out.len();
    let op = BiasGrad::new(dy.len() / channels, channels);
    let parts = plan.scratch(op.parts * channels);
    plan.dispatch(program, label, op, &[dy, parts]);
    let sum = SplitSum::new(op.parts, channels, channels, epilogue);
    plan.dispatch(program, format!("{label}, parts"), sum, &[parts, dy.slice(0, 4), out]);
}
