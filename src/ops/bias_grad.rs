//! The gradient of a bias: column sums of a matrix, in one pass, or in two where there are many rows.

use super::check::Tolerance;
use super::gemm::Epilogue;
use super::operand_source;
use super::tuning::{Form, Tunable, Tuning, key};
use crate::gpu::kernel::{Constant, Kernel, Params};
use crate::gpu::program::Op;
use crate::gpu::{Capabilities, Element, Plan, ProgramId, Shape, Tensor, images};
use crate::{params, wgsl};

/// Fewest rows of a part: less is not worth a second pass.
const MIN_ROWS: u32 = 16;

params! {
    /// Sizes of `bias_grad.wgsl`.
    pub struct BiasGradParams {
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

/// `out[parts, C]`, the sums of the rows of `dy[rows, C]` in each part.
#[derive(Debug, Clone, Copy)]
pub struct BiasGrad {
    params: BiasGradParams,
    threads: u32,
    images: bool,
    epilogue: Epilogue,
}

impl BiasGrad {
    /// `rows` of `channels` in about `parts` parts, none of them empty, by workgroups of `threads`.
    pub fn new(rows: u32, channels: u32, [threads, parts]: [u32; 2], epilogue: Epilogue) -> Self {
        let rows_per_part = rows.div_ceil(parts);
        let parts = rows.div_ceil(rows_per_part);
        let params = BiasGradParams { rows, quads: channels / 4, parts, rows_per_part };
        Self { params, threads, images: false, epilogue }
    }

    /// The same that reads an image of `dy`, where `images` says so.
    pub fn fetching(self, images: bool) -> Self {
        Self { images, ..self }
    }
}

impl Op for BiasGrad {
    fn kernel(&self) -> Kernel {
        let mut files = vec![wgsl!("bias_grad.wgsl"), wgsl!("epilogue.wgsl")];
        files.extend(operand_source::source(self.images));
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
        let BiasGradParams { rows, quads, parts, .. } = self.params;
        let out = Shape::new(&[parts, 4 * quads]);
        let aux = self.epilogue.aux(out, 4 * quads);
        vec![("source", Shape::new(&[rows, 4 * quads])), ("aux", aux), ("out", out)]
    }

    fn aliases(&self) -> &'static [Option<&'static str>] {
        &[Some("Source"), Some("Aux"), Some("Out")]
    }

    fn groups(&self) -> u64 {
        let BiasGradParams { quads, parts, .. } = self.params;
        u64::from(parts) * u64::from(quads.div_ceil(self.threads.min(quads)))
    }

    fn updates(&self) -> bool {
        self.epilogue == Epilogue::Accumulate
    }

    fn flops(&self) -> u64 {
        u64::from(self.params.rows) * 4 * u64::from(self.params.quads)
    }

    fn twin(&self, buffers: &mut [Vec<f32>]) {
        let [dy, aux, out] = buffers else { panic!("bias_grad: {} operands", buffers.len()) };
        let BiasGradParams { rows, quads, rows_per_part, .. } = self.params;
        let channels = 4 * quads as usize;
        for at in 0..out.len() {
            let begin = at / channels * rows_per_part as usize;
            let end = (rows as usize).min(begin + rows_per_part as usize);
            let sum = (begin..end).map(|row| f64::from(dy[row * channels + at % channels])).sum();
            self.epilogue.finish(out, at, sum, aux, 4 * quads);
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

    /// Whether an image can hold the matrix.
    pub(super) fn fits_image(&self) -> bool {
        images::fits(self.rows * self.channels)
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

    /// One pass, and two with about 32, 128, 512 and 2048 workgroups in the first; from an image as well on software
    /// adapters, which read buffers slowly.
    fn forms(&self, target: &Capabilities) -> Vec<Form> {
        let least = target.least_parts(self.rows);
        let mut forms = Vec::new();
        for threads in Form::COLUMN_THREADS {
            let parts =
                |groups: u32| groups.div_ceil(self.column_blocks(threads)).min(self.most_parts()).max(least);
            let mut all: Vec<u32> = [1, 32, 128, 512, 2048].into_iter().map(parts).collect();
            all.dedup();
            let imaged = target.software && target.images && self.fits_image();
            let fetches: &[bool] = if imaged { &[false, true] } else { &[false] };
            for &images in fetches {
                forms.extend(all.iter().map(|&parts| Form::Columns { threads, parts, images }));
            }
        }
        forms
    }

    fn allows(&self, form: Form) -> bool {
        let most = self.most_parts();
        matches!(form, Form::Columns { threads, parts, images }
            if Form::COLUMN_THREADS.contains(&threads)
                && (1..=most).contains(&parts)
                && (!images || self.fits_image()))
    }

    fn operands(&self) -> Vec<(&'static str, Shape)> {
        vec![("dy", Shape::new(&[self.rows, self.channels])), ("out", Shape::new(&[self.channels]))]
    }

    fn elements(&self) -> Vec<Element> {
        vec![self.element]
    }

    fn tolerance(&self, _: Form) -> Tolerance {
        Tolerance::forms(self.rows.into())
    }

    fn record(&self, plan: &mut Plan, program: ProgramId, form: Form, operands: &[Tensor]) {
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
    (sums, form): (BiasGradShape, Form),
    (dy, out): (Tensor, Tensor),
) {
    let BiasGradShape { rows, channels, epilogue, .. } = sums;
    let Form::Columns { threads, parts, images } = form else {
        panic!("{label}: {form:?} is no form of column sums")
    };
    let spare = dy.slice(0, 4); // neither pass reads it
    if parts == 1 {
        let op = BiasGrad::new(rows, channels, [threads, 1], epilogue).fetching(images);
        plan.dispatch(program, label, op, &[dy, spare, out]);
        return;
    }
    let first = BiasGrad::new(rows, channels, [threads, parts], Epilogue::None).fetching(images);
    let parts = first.params.parts;
    let between = plan.scratch(parts * channels);
    plan.dispatch(program, label, first, &[dy, spare, between]);
    let second = BiasGrad::new(parts, channels, [threads, 1], epilogue);
    plan.dispatch(program, format!("{label}, parts"), second, &[between, spare, out]);
}
