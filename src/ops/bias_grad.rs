//! The gradient of a bias: column sums of a matrix, by one dispatch, or by two if there are many rows.

use super::gemm::{Epilogue, operand_source};
use super::tolerance::Tolerance;
use super::tunable::{KernelConfig, Tunable, key};
use crate::gpu::Op;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor, textures};
use crate::{params, wgsl};

/// The minimum number of rows of a part: fewer are not worth a second dispatch.
const MIN_ROWS: u32 = 16;

params! {
    /// Sizes of `bias_grad.wgsl`.
    pub struct BiasGradParams {
        /// rows of the matrix
        rows: u32,
        /// vec4s of a row
        vec4s: u32,
        /// partial sums
        parts: u32,
        /// rows in each
        rows_per_part: u32,
    }
}

/// `out[parts, C]`, the sums of the rows of `dy[rows, C]` in each part.
#[derive(Debug, Clone, Copy)]
pub struct BiasGrad {
    params: BiasGradParams,
    threads: u32,
    textures: bool,
    epilogue: Epilogue,
}

impl BiasGrad {
    /// `rows` of `channels` in about `parts` parts, none of them empty, with workgroups of `threads`.
    pub fn new(rows: u32, channels: u32, [threads, parts]: [u32; 2], epilogue: Epilogue) -> Self {
        let rows_per_part = rows.div_ceil(parts);
        let parts = rows.div_ceil(rows_per_part);
        let params = BiasGradParams { rows, vec4s: channels / 4, parts, rows_per_part };
        Self { params, threads, textures: false, epilogue }
    }

    /// Reads a texture copy of `dy`, or its buffer.
    pub fn fetching(self, textures: bool) -> Self {
        Self { textures, ..self }
    }
}

impl Op for BiasGrad {
    fn kernel(&self) -> Kernel {
        let mut files = vec![wgsl!("conv/bias_grad.wgsl")];
        files.extend(self.epilogue.files());
        files.extend(operand_source::source(self.textures));
        Kernel { name: "bias_grad", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.epilogue.constants(2);
        all.push(("THREADS", self.threads.into()));
        all
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        let BiasGradParams { rows, vec4s, parts, .. } = self.params;
        let out = Shape::new(&[parts, 4 * vec4s]);
        let aux = self.epilogue.aux(out, 4 * vec4s);
        vec![("source", Shape::new(&[rows, 4 * vec4s])), ("aux", aux), ("out", out)]
    }

    fn element_aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("Source"), Some("Aux"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        let BiasGradParams { vec4s, parts, .. } = self.params;
        u64::from(parts) * u64::from(vec4s.div_ceil(self.threads.min(vec4s)))
    }

    fn reads_output(&self) -> bool {
        self.epilogue.accumulate
    }

    fn flops(&self) -> u64 {
        u64::from(self.params.rows) * 4 * u64::from(self.params.vec4s)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [dy, aux, out] = buffers else { panic!("bias_grad: {} operands", buffers.len()) };
        let BiasGradParams { rows, vec4s, rows_per_part, .. } = self.params;
        let channels = 4 * vec4s as usize;
        for at in 0..out.len() {
            let begin = at / channels * rows_per_part as usize;
            let end = (rows as usize).min(begin + rows_per_part as usize);
            let sum = (begin..end).map(|row| f64::from(dy[row * channels + at % channels])).sum();
            self.epilogue.finish(out, at, sum, [aux, &[]], 4 * vec4s);
        }
    }
}

/// The gradient of one layer's bias, for any configuration.
#[derive(Debug, Clone, Copy)]
pub struct BiasGradShape {
    /// rows of the matrix
    pub rows: u32,
    /// its columns
    pub channels: u32,
    /// whether it is added to the previous content
    pub epilogue: Epilogue,
    /// element type of the matrix
    pub element: Element,
}

impl BiasGradShape {
    /// The gradient `out[C]` of `dy[.., C]`.
    pub(super) fn of((dy, out): (Tensor, Tensor), epilogue: Epilogue) -> Self {
        let channels = out.len();
        Self { rows: dy.len() / channels, channels, epilogue, element: dy.element }
    }

    /// The maximum number of parts of its rows.
    pub fn max_parts(&self) -> u32 {
        (self.rows / MIN_ROWS).max(1)
    }

    /// Whether there is a texture large enough for a copy of the matrix.
    pub(super) fn fits_texture(&self) -> bool {
        textures::fits(self.rows * self.channels)
    }

    /// Workgroups of `threads` along the columns.
    pub fn column_blocks(&self, threads: u32) -> u32 {
        (self.channels / 4).div_ceil(threads)
    }

    /// Records the column sums of `dy` into `out` with `config`.
    ///
    /// # Panics
    /// If it is not a configuration of a bias gradient.
    pub(super) fn record_as(
        &self,
        plan: &mut Plan,
        program: ProgramId,
        label: &str,
        config: KernelConfig,
        (dy, out): (Tensor, Tensor),
    ) {
        let Self { rows, channels, epilogue, .. } = *self;
        let KernelConfig::BiasGrad { threads, parts, textures } = config else {
            panic!("{label}: {config:?} is not a configuration of a bias gradient")
        };
        let spare = dy.slice(0, 4); // neither dispatch reads it
        if parts == 1 {
            let op = BiasGrad::new(rows, channels, [threads, 1], epilogue).fetching(textures);
            plan.dispatch(program, label, op, &[dy, spare, out]);
            return;
        }
        let first = BiasGrad::new(rows, channels, [threads, parts], Epilogue::NONE).fetching(textures);
        let parts = first.params.parts;
        let between = plan.scratch(parts * channels);
        plan.dispatch(program, label, first, &[dy, spare, between]);
        let second = BiasGrad::new(parts, channels, [threads, 1], epilogue);
        plan.dispatch(program, format!("{label}, parts"), second, &[between, spare, out]);
    }
}

impl Tunable for BiasGradShape {
    fn key(&self) -> String {
        let sizes = [("rows", self.rows.into()), ("channels", self.channels.into())];
        let element = if self.element == Element::F32 { "" } else { " f16" };
        format!("{} {:?}{element}", key("bias_grad", &sizes), self.epilogue)
    }

    /// One dispatch, and two with about 32, 128, 512 and 2048 workgroups in the first. On software adapters, which read
    /// buffers slowly, also from a texture.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig> {
        let least = target.min_splits(self.rows);
        let mut candidates = Vec::new();
        for threads in KernelConfig::BIAS_GRAD_THREADS {
            let parts =
                |groups: u32| groups.div_ceil(self.column_blocks(threads)).min(self.max_parts()).max(least);
            let mut all: Vec<u32> = [1, 32, 128, 512, 2048].into_iter().map(parts).collect();
            all.dedup();
            let from_textures = target.software && target.textures && self.fits_texture();
            let fetches: &[bool] = if from_textures { &[false, true] } else { &[false] };
            for &textures in fetches {
                candidates.extend(all.iter().map(|&parts| KernelConfig::BiasGrad {
                    threads,
                    parts,
                    textures,
                }));
            }
        }
        candidates
    }

    fn allows(&self, config: KernelConfig) -> bool {
        let most = self.max_parts();
        matches!(config, KernelConfig::BiasGrad { threads, parts, textures }
            if KernelConfig::BIAS_GRAD_THREADS.contains(&threads)
                && (1..=most).contains(&parts)
                && (!textures || self.fits_texture()))
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("dy", Shape::new(&[self.rows, self.channels])), ("out", Shape::new(&[self.channels]))]
    }

    fn elements(&self) -> Vec<Element> {
        vec![self.element]
    }

    fn tolerance(&self, _: KernelConfig) -> Tolerance {
        Tolerance::between_configs(self.rows.into())
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, config: KernelConfig, operands: &[Tensor]) {
        let &[dy, out] = operands else { panic!("bias_grad: {} operands", operands.len()) };
        self.record_as(plan, program, &self.key(), config, (dy, out));
    }
}
