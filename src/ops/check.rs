//! The one way to compare an op with its twin: tolerances, a plan of one dispatch, and the verdict.
//!
//! Outputs start as NaN, unless the op adds to what they hold, so that an element nobody writes is seen.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cases::Case;
use super::normal::normal;
use super::step::{Step, Stream};
use crate::error::Result;
use crate::gpu::kernel::{Access, Constant, Value};
use crate::gpu::{
    Adapter, Capabilities, Clock, Element, GpuRunner, Op, Plan, ProgramId, Runner, Shape, Tensor, TwinRunner,
};

/// How far two results may lie apart: `|a - b| <= abs + rel * |b|` for every element; NaN is never equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// absolute part
    pub abs: f64,
    /// relative part
    pub rel: f64,
}

impl Tolerance {
    /// Integers, and floats that are only moved.
    pub const EXACT: Self = Self { abs: 0.0, rel: 0.0 };
    /// A handful of f32 operations, and exp, log, sqrt, sin and cos, which WGSL allows a few ulps (log and cos
    /// near their zeros an absolute error of 2^-21).
    pub const ELEMENTWISE: Self = Self { abs: 4e-6, rel: 1e-5 };
    /// A sum of `terms` products of standard normals in f32 against one in f64: rounding errors add up like a
    /// random walk, so they grow with the square root of the terms.
    pub fn reduction(terms: u64) -> Self {
        Self { abs: 1e-5 * (terms as f64).sqrt(), rel: 1e-5 }
    }
    /// Two forms of such a sum against each other, both in f32. One may add all terms in turn, where the partial sums
    /// that are rounded grow as well: its error grows with the terms, by 2e-8 for each in the root mean square.
    pub fn forms(terms: u64) -> Self {
        let exact = Self::reduction(terms);
        Self { abs: exact.abs + 1.5e-7 * terms as f64, ..exact }
    }
    /// The same where one form rounds its factors to `factors` and the other does not: with f16 each term is off by
    /// up to 2^-11 of itself for each factor, by 3e-4 in the root mean square, and seven times that allows for the
    /// worst of ten million sums. A core that multiplies the wrong elements is off by the square root of the terms.
    pub fn product(terms: u64, factors: Element) -> Self {
        let exact = Self::forms(terms);
        match factors {
            Element::F32 => exact,
            Element::F16 => Self { abs: exact.abs + 2e-3 * (terms as f64).sqrt(), ..exact },
        }
    }
    /// The same for results kept in `element`: both sides round, so they may be neighbours, 2^-10 apart, and below
    /// f16's least normal number 2^-24 apart.
    pub fn stored_as(self, element: Element) -> Self {
        match element {
            Element::F32 => self,
            Element::F16 => Self { abs: self.abs + 2f64.powi(-24), rel: self.rel + 2f64.powi(-10) },
        }
    }
    /// Analytic against central differences, in f64 by twins that store f32.
    pub const GRADIENT: Self = Self { abs: 2e-3, rel: 1e-2 };

    /// The index of the worst element and its error as a share of what is allowed: above 1 is wrong.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn worst(self, got: &[f32], want: &[f32]) -> (usize, f64) {
        assert_eq!(got.len(), want.len(), "lengths differ");
        let share = |(&a, &b): (&f32, &f32)| {
            let error = (f64::from(a) - f64::from(b)).abs();
            let allowed = self.abs + self.rel * f64::from(b).abs();
            match (a.is_nan() || b.is_nan(), error == 0.0) {
                (true, _) => f64::INFINITY,
                (false, true) => 0.0,
                (false, false) => error / allowed,
            }
        };
        let shares = got.iter().zip(want).map(share).enumerate();
        shares.fold((0, 0.0), |worst, (i, s)| if s > worst.1 { (i, s) } else { worst })
    }
}

/// The verdict on one output of one case.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// the case
    pub label: String,
    /// the kernel's name
    pub kernel: &'static str,
    /// the output
    pub output: String,
    /// worst error as a share of the tolerance: above 1 is wrong
    pub share: f64,
    /// index, GPU value and twin's value of the worst element
    pub worst: (usize, f32, f32),
}

impl Verdict {
    /// Whether the kernel and its twin agree.
    pub fn ok(&self) -> bool {
        self.share <= 1.0
    }
}

/// What the op's name and operand allow; `len` elements of the output are compared, parts of a sum added up.
fn tolerance(op: &dyn Op, output: &str, len: u32) -> Tolerance {
    let terms = (op.flops() / u64::from(len)).max(1);
    match (op.kernel().name, output) {
        (_, "rgba") => Tolerance { abs: 1.0, rel: 0.0 }, // bytes: the sigmoid may round to either side
        ("conv2d" | "conv2d_transpose" | "conv2d_weight_grad", _) => Tolerance::reduction(terms),
        ("linear" | "linear_input_grad" | "linear_weight_grad", _) => Tolerance::reduction(terms),
        ("split_sum" | "bias_grad" | "totals" | "mmd_total" | "square_sum" | "clip", _) => {
            Tolerance::reduction(terms)
        }
        ("reconstruction", "parts") | ("mmd", _) => Tolerance::reduction(terms),
        // a place in a picture is off by 2^-24 of its edge, and its neighbours differ by up to 1
        ("augment", _) => Tolerance { abs: 2e-5, rel: 0.0 },
        (_, "kl") => Tolerance::reduction(terms),
        (_, "scaling") | ("ceiling_copy", _) => Tolerance::EXACT,
        ("swap" | "gather", _) => Tolerance::EXACT,
        ("unpack", _) => Tolerance { abs: 1e-7, rel: 0.0 }, // a division may be a multiplication by 1/255
        _ => Tolerance::ELEMENTWISE,
    }
}

fn example_step(rows: u32) -> Step {
    let step = Step {
        stream: Stream::Training as u32,
        step: 7,
        first: 5,
        total: rows.max(2),
        beta: 0.2,
        capacity: 1.5,
        free_bits: 0.3,
        mmd: 0.7,
        scale: 1.5,
        average: 0.1,
        ..Step::default()
    };
    // the last picture of three is padding
    Step { count: if rows > 2 { rows - 1 } else { rows }, ..step }
        .seeded(0x1234_5678_9abc_def0)
        .with_adam(1e-3, 0.5, 3)
}

/// The words that an operand starts with.
fn fill(name: &str, shape: Shape, poison: bool, rows: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    if name == "step" {
        return bytemuck::cast_slice(&[example_step(rows)]).to_vec();
    }
    let word = |rng: &mut ChaCha8Rng| match name {
        _ if poison => f32::NAN.to_bits(),
        "rgba" => rng.random(),
        "which" => rng.random_range(0..9),  // some are out of range
        "aux" if rng.random_bool(0.1) => 0, // a mask has many
        "moment2" | "squares" => (normal(rng) as f32).abs().to_bits(),
        _ => (normal(rng) as f32).to_bits(),
    };
    (0..shape.len()).map(|_| word(rng)).collect()
}

/// The program of a plan of one dispatch, and what to write into its operands.
struct Bench {
    program: ProgramId,
    operands: Vec<Tensor>,
    words: Vec<Vec<u32>>,
    outputs: Vec<(String, Tensor)>,
}

fn bench(target: &Capabilities, case: Case) -> (Plan, Bench) {
    let mut plan = Plan::of(target);
    let program = plan.program("case");
    let operands = case.op.operands();
    let usage =
        |name| if name == "step" { crate::gpu::Usage::Uniform } else { crate::gpu::Usage::Activation };
    let tensors: Vec<Tensor> = operands
        .iter()
        .enumerate()
        .map(|(at, &(name, shape))| {
            let element = case.element(at);
            let buffer = plan.buffer(name, element.words(shape.len().into()), usage(name));
            Tensor { buffer, offset: 0, shape, element }
        })
        .collect();
    let rows = operands.get(1).map_or(1, |(_, shape)| shape.dims()[0]);
    let Case { label, op, updates, scaling, flaw, .. } = case;
    plan.dispatch_boxed(program, label, op, &tensors);
    let Some(dispatch) = plan.get(program).dispatches().next() else { unreachable!("just recorded") };
    let accesses: Vec<Access> = dispatch.reflection.bindings.iter().map(|(_, access)| *access).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut words = Vec::new();
    let mut outputs = Vec::new();
    for ((&(name, shape), tensor), access) in operands.iter().zip(&tensors).zip(accesses) {
        let writes = access == Access::ReadWrite;
        let mut values = fill(name, shape, writes && !updates, rows, &mut rng);
        match name {
            "scaling" => values = bytemuck::cast_slice(&[scaling]).to_vec(),
            _ if tensor.element == Element::F16 => {
                values = tensor.element.pack(&Element::F32.unpack(&values));
            }
            _ => {}
        }
        if let (true, Some(flaw), Some(last)) = (words.is_empty(), flaw, values.last_mut()) {
            *last = flaw.to_bits();
        }
        words.push(values);
        if writes {
            outputs.push((name.to_owned(), *tensor));
        }
    }
    (plan, Bench { program, operands: tensors, words, outputs })
}

fn run(runner: &mut dyn Runner, b: &Bench) -> Result<Vec<Vec<f32>>> {
    for (tensor, words) in b.operands.iter().zip(&b.words) {
        runner.write(tensor, words);
    }
    runner.run(&[b.program])?;
    b.outputs.iter().map(|(_, tensor)| runner.read(tensor)).collect()
}

/// The floats to compare: `rgba` as its bytes, everything else as it is; the parts of a split sum added up,
/// because where a part ends is the kernel's business.
fn comparable(name: &str, shape: Shape, values: &[f32], split: bool) -> Vec<f32> {
    if name == "scaling" {
        return values.iter().map(|v| v.to_bits() as i32 as f32).collect();
    }
    if name == "rgba" {
        return values.iter().flat_map(|v| v.to_bits().to_le_bytes()).map(f32::from).collect();
    }
    if !split {
        return values.to_vec();
    }
    let parts = shape.dims()[0] as usize;
    let len = values.len() / parts;
    (0..len).map(|i| (0..parts).map(|p| f64::from(values[p * len + i])).sum::<f64>() as f32).collect()
}

/// Runs `case` on `adapter` and on its twin.
///
/// # Errors
/// If the device refuses the kernel.
pub fn check(adapter: &Adapter, case: Case) -> Result<Vec<Verdict>> {
    let (mut runner, expected) = expect(&adapter.target(), case, |plan| GpuRunner::new(adapter, plan))?;
    expected.judge(&mut runner)
}

/// A case that has run once, and can run again for the time that it takes.
pub struct Judged {
    /// One for every output.
    pub verdicts: Vec<Verdict>,
    runner: GpuRunner,
    program: ProgramId,
}

/// The same on a device whose clock can be read.
///
/// # Errors
/// As [`check`].
pub fn judge(adapter: &Adapter, case: Case) -> Result<Judged> {
    let (mut runner, expected) = expect(&adapter.target(), case, |plan| GpuRunner::timed(adapter, plan))?;
    let verdicts = expected.judge(&mut runner)?;
    Ok(Judged { verdicts, runner, program: expected.bench.program })
}

impl Judged {
    /// Nanoseconds that another run takes by the device's own clock, where it has one: the first has set up buffers and
    /// takes longer.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn device_ns(&mut self) -> Result<Option<u64>> {
        self.runner.profile(true)?;
        self.runner.run(&[self.program])?;
        let timings = self.runner.timings()?;
        Ok((timings.clock == Clock::Device).then(|| timings.busy_ns()))
    }
}

/// What a device should give for one case.
struct Expected {
    label: String,
    kernel: &'static str,
    bench: Bench,
    split: bool,
    allowed: Vec<Tolerance>,
    want: Vec<Vec<f32>>,
}

/// Runs `case` on its twin, and opens a runner of its plan.
fn expect<R>(
    target: &Capabilities,
    case: Case,
    open: impl FnOnce(Plan) -> Result<R>,
) -> Result<(R, Expected)> {
    let label = case.label.clone();
    let parts = |(name, value): &Constant| match (*name, *value) {
        ("SPLITS", Value::U32(parts)) if parts > 1 => Some(parts),
        _ => None,
    };
    let parts = case.op.constants().iter().find_map(parts);
    let (plan, bench) = bench(target, case);
    let Some(dispatch) = plan.get(bench.program).dispatches().next() else { unreachable!("just recorded") };
    let kernel = dispatch.kernel;
    let allowed: Vec<Tolerance> = bench
        .outputs
        .iter()
        .map(|(name, t)| {
            tolerance(dispatch.op.as_ref(), name, t.len() / parts.unwrap_or(1)).stored_as(t.element)
        })
        .collect();
    let mut twin = TwinRunner::new(plan);
    let want = run(&mut twin, &bench)?;
    Ok((open(twin.into_plan())?, Expected { label, kernel, bench, split: parts.is_some(), allowed, want }))
}

impl Expected {
    fn judge(&self, runner: &mut dyn Runner) -> Result<Vec<Verdict>> {
        let got = run(runner, &self.bench)?;
        let mut verdicts = Vec::new();
        for (((output, tensor), allowed), (got, want)) in
            self.bench.outputs.iter().zip(&self.allowed).zip(got.iter().zip(&self.want))
        {
            let got = comparable(output, tensor.shape, got, self.split);
            let want = comparable(output, tensor.shape, want, self.split);
            let (index, share) = allowed.worst(&got, &want);
            let worst = (index, got[index], want[index]);
            let (label, kernel, output) = (self.label.clone(), self.kernel, output.clone());
            verdicts.push(Verdict { label, kernel, output, share, worst });
        }
        Ok(verdicts)
    }
}
