//! Split-K reduction: adds the parts of a split product in fixed order.

use super::epilogue::Epilogue;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Op, Shape};
use crate::{params, wgsl};

params! {
    /// Sizes of `split_k.wgsl`.
    pub struct SplitKParams {
        /// parts to add
        parts: u32,
        /// vec4s of the output
        vec4s: u32,
        /// vec4s of the output's last dimension
        channels: u32,
    }
}

/// `out = epilogue(sum of parts)`.
#[derive(Debug, Clone, Copy)]
pub struct SplitK {
    params: SplitKParams,
    epilogue: Epilogue,
}

impl SplitK {
    /// Adds `parts` of `len` elements each, whose last dimension is `channels`.
    pub fn new(parts: u32, len: u32, channels: u32, epilogue: Epilogue) -> Self {
        Self { params: SplitKParams { parts, vec4s: len / 4, channels: channels / 4 }, epilogue }
    }
}

impl Op for SplitK {
    fn kernel(&self) -> Kernel {
        Kernel {
            name: "split_k",
            files: [&[wgsl!("gemm/split_k.wgsl")], &self.epilogue.files()[..]].concat(),
        }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        self.epilogue.constants(2)
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let SplitKParams { parts, vec4s, channels } = self.params;
        let out = Shape::new(&[4 * vec4s]);
        let aux = self.epilogue.aux(out, 4 * channels);
        let own = [("parts", Shape::new(&[parts, 4 * vec4s])), ("aux", aux), ("out", out)];
        own.into_iter().chain(self.epilogue.operands(out)).collect()
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[None, Some("Aux"), Some("Out"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        u64::from(self.params.vec4s).div_ceil(64)
    }

    fn reads_output(&self) -> bool {
        self.epilogue.accumulate
    }

    fn flops(&self) -> u64 {
        u64::from(self.params.parts) * 4 * u64::from(self.params.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [parts, aux, out, rest @ ..] = buffers else { panic!("split_k: {} operands", buffers.len()) };
        let addend: &[f32] = rest.first().map_or(&[], Vec::as_slice);
        let len = out.len();
        for at in 0..len {
            let sum = (0..self.params.parts as usize).map(|p| f64::from(parts[p * len + at])).sum();
            self.epilogue.finish(out, at, sum, [aux, addend], 4 * self.params.channels);
        }
    }
}
