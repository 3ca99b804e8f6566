//! The gradient of a bias: column sums of a matrix, in one pass, or in two where there are many rows.

use super::gemm::Epilogue;
use super::gemm::operand_source;
use super::tolerance::Tolerance;
use super::tuning::{KernelConfig, Tunable, Tuning, key};
use crate::gpu::Op;
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor, textures};
use crate::{params, wgsl};

/// Fewest rows of a part: less is not worth a second pass.
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
    /// `rows` of `channels` in about `parts` parts, none of them empty, by workgroups of `threads`.
    pub fn new(rows: u32, channels: u32, [threads, parts]: [u32; 2], epilogue: Epilogue) -> Self {
        let rows_per_part = rows.div_ceil(parts);
        let parts = rows.div_ceil(rows_per_part);
        let params = BiasGradParams { rows, vec4s: channels / 4, parts, rows_per_part };
        Self { params, threads, textures: false, epilogue }
    }

    /// The same that reads a texture of `dy`, where `textures` says so.
    pub fn fetching(self, textures: bool) -> Self {
        Self { textures, ..self }
    }
}

impl Op for BiasGrad {
    fn kernel(&self) -> Kernel {
        let mut files = vec![wgsl!("conv/bias_grad.wgsl"), wgsl!("gemm/epilogue.wgsl")];
        files.extend(operand_source::source(self.textures));
        Kernel { name: "bias_grad", files }
    }

    fn params(&self) -> Vec<Constant> {
        self.params.values()
    }

    fn constants(&self) -> Vec<Constant> {
        let mut all = self.epilogue.constants();
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
        self.epilogue == Epilogue::Accumulate
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
            self.epilogue.finish(out, at, sum, aux, 4 * vec4s);
        }
    }
}

/// The gradient of one layer's bias, in whatever form.
#[derive(Debug, Clone, Copy)]
pub struct BiasGradShape {
    /// rows of the matrix
    pub rows: u32,
    /// its columns
    pub channels: u32,
    /// whether it is added to what is there
    pub epilogue: Epilogue,
    /// what the matrix is made of
    pub element: Element,
}

impl BiasGradShape {
    /// Most parts that its rows are cut into.
    pub fn most_parts(&self) -> u32 {
        (self.rows / MIN_ROWS).max(1)
    }

    /// Whether a texture can hold the matrix.
    pub(super) fn fits_texture(&self) -> bool {
        textures::fits(self.rows * self.channels)
    }

    /// Workgroups of `threads` beside each other.
    pub fn column_blocks(&self, threads: u32) -> u32 {
        (self.channels / 4).div_ceil(threads)
    }
}

impl Tunable for BiasGradShape {
    fn key(&self) -> String {
        let sizes = [("rows", self.rows.into()), ("channels", self.channels.into())];
        let element = if self.element == Element::F32 { "" } else { " f16" };
        format!("{} {:?}{element}", key("bias_grad", &sizes), self.epilogue)
    }

    /// One pass, and two with about 32, 128, 512 and 2048 workgroups in the first; from a texture as well on software
    /// adapters, which read buffers slowly.
    fn candidates(&self, target: &Capabilities) -> Vec<KernelConfig> {
        let least = target.min_splits(self.rows);
        let mut candidates = Vec::new();
        for threads in KernelConfig::BIAS_GRAD_THREADS {
            let parts =
                |groups: u32| groups.div_ceil(self.column_blocks(threads)).min(self.most_parts()).max(least);
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

    fn allows(&self, form: KernelConfig) -> bool {
        let most = self.most_parts();
        matches!(form, KernelConfig::BiasGrad { threads, parts, textures }
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
        Tolerance::forms(self.rows.into())
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, form: KernelConfig, operands: &[Tensor]) {
        let &[dy, out] = operands else { panic!("bias_grad: {} operands", operands.len()) };
        record_as(plan, program, &self.key(), (*self, form), (dy, out));
    }
}

/// Records `out[C]` = column sums of `dy[.., C]`, or `+=`, in the form that `tuning` says.
pub fn bias_grad(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    tuning: &Tuning,
    (dy, out): (Tensor, Tensor),
    epilogue: Epilogue,
) {
    let channels = out.len();
    let sums = BiasGradShape { rows: dy.len() / channels, channels, epilogue, element: dy.element };
    let form = tuning.bias_grad(sums);
    record_as(plan, program, label, (sums, form), (dy, out));
}

fn record_as(
    plan: &mut Plan,
    program: ProgramId,
    label: &str,
    (sums, form): (BiasGradShape, KernelConfig),
    (dy, out): (Tensor, Tensor),
) {
    let BiasGradShape { rows, channels, epilogue, .. } = sums;
    let KernelConfig::BiasGrad { threads, parts, textures } = form else {
        panic!("{label}: {form:?} is no form of column sums")
    };
    let spare = dy.slice(0, 4); // neither pass reads it
    if parts == 1 {
        let op = BiasGrad::new(rows, channels, [threads, 1], epilogue).fetching(textures);
        plan.dispatch(program, label, op, &[dy, spare, out]);
        return;
    }
    let first = BiasGrad::new(rows, channels, [threads, parts], Epilogue::None).fetching(textures);
    let parts = first.params.parts;
    let between = plan.scratch(parts * channels);
    plan.dispatch(program, label, first, &[dy, spare, between]);
    let second = BiasGrad::new(parts, channels, [threads, 1], epilogue);
    plan.dispatch(program, format!("{label}, parts"), second, &[between, spare, out]);
}
