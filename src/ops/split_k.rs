//! The parts of a split product, added in fixed order.

use super::gemm::Epilogue;
use crate::gpu::Shape;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
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

    fn updates(&self) -> bool {
        self.epilogue == Epilogue::Accumulate
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
