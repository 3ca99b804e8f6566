//! Comparison of one op with its twin: tolerances, a plan of one dispatch, and the result.
//!
//! Outputs start as NaN, unless the op reads them, so that an element that is never written is found.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::case::Case;
use crate::error::Result;
use crate::gpu::kernel::{Access, Constant, Value};
use crate::gpu::{
    Adapter, Capabilities, Clock, Element, GpuRunner, Op, Plan, ProgramId, ReferenceRunner, Runner, Shape,
    Tensor,
};
use crate::ops::normal::normal;
use crate::ops::step::{Step, Stream};
use crate::ops::tolerance::Tolerance;

/// The result of one output of one case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// the case
    pub label: String,
    /// the kernel's name
    pub kernel: &'static str,
    /// the output
    pub output: String,
    /// maximum error relative to the tolerance: above 1 is wrong
    pub ratio: f64,
    /// index, GPU value and twin's value of the element with that error
    pub element: (usize, f32, f32),
}

impl CaseResult {
    /// Whether the kernel and its twin agree.
    pub fn ok(&self) -> bool {
        self.ratio <= 1.0
    }
}

/// The tolerance by the op's name and operand, for `len` compared elements of the output.
fn tolerance(op: &dyn Op, output: &str, len: u32) -> Tolerance {
    let terms = (op.flops() / u64::from(len)).max(1);
    match (op.kernel().name, output) {
        (_, "rgba") => Tolerance { abs: 1.0, rel: 0.0 }, // bytes: the sigmoid may round to either side
        ("conv2d" | "conv2d_transpose" | "conv2d_weight_grad", _) => Tolerance::reduction(terms),
        ("linear" | "linear_input_grad" | "linear_weight_grad", _) => Tolerance::reduction(terms),
        ("split_k" | "bias_grad" | "totals" | "mmd_total" | "square_sum" | "grad_clip", _) => {
            Tolerance::reduction(terms)
        }
        // drawn times are off by 2^-23, and the highest frequency has 45 turns, 284 radians
        ("time_features", "features") => Tolerance { abs: 1e-4, rel: 0.0 },
        ("rms_norm_affine_grad", _) => Tolerance::reduction(terms),
        ("reconstruction" | "velocity_loss", "parts") | ("mmd", _) => Tolerance::reduction(terms),
        ("squared_error" | "squared_error_total" | "log_sigma_grad", _) => Tolerance::reduction(terms),
        // a position in a picture is off by 2^-24 of its edge, and neighbours differ by up to 1
        ("augment", _) => Tolerance { abs: 2e-5, rel: 0.0 },
        (_, "kl") => Tolerance::reduction(terms),
        (_, "scaling") | ("roofline_copy", _) => Tolerance::EXACT,
        ("exchange" | "gather", _) => Tolerance::EXACT,
        ("rgba_to_float", _) => Tolerance { abs: 1e-7, rel: 0.0 }, // a division may be a multiplication by 1/255
        _ => Tolerance::ELEMENTWISE,
    }
}

fn example_step(rows: u32) -> Step {
    let step = Step {
        stream: Stream::Training as u32,
        step: 7,
        sample_offset: 5,
        batch: rows.max(2),
        beta: 0.2,
        capacity: 1.5,
        free_bits: 0.3,
        mmd: 0.7,
        noise_std: 1.5,
        ema: 0.1,
        ..Step::default()
    };
    // the last picture of three is padding
    Step { valid: if rows > 2 { rows - 1 } else { rows }, ..step }
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
        "which" | "labels" => rng.random_range(0..9), // some are out of range
        "standard" => (0.5 + (normal(rng) as f32).abs()).to_bits(),
        "aux" if rng.random_bool(0.1) => 0, // a mask has many
        "moment2" | "squares" => (normal(rng) as f32).abs().to_bits(),
        // sums over some thousands of values: a variance far above the rounding errors of a pixel
        "squared_errors" => (1e3 * normal(rng) as f32).abs().to_bits(),
        _ => (normal(rng) as f32).to_bits(),
    };
    (0..shape.len()).map(|_| word(rng)).collect()
}

/// A plan of one dispatch: its program, its operands and their initial content.
struct SingleDispatch {
    program: ProgramId,
    operands: Vec<Tensor>,
    words: Vec<Vec<u32>>,
    outputs: Vec<(String, Tensor)>,
}

fn single_dispatch(target: &Capabilities, case: Case) -> (Plan, SingleDispatch) {
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
    let Case { label, op, reads_output, scaling, flaw, .. } = case;
    plan.dispatch_boxed(program, label, op, &tensors);
    let Some(dispatch) = plan.get(program).dispatches().next() else { unreachable!("just recorded") };
    let accesses: Vec<Access> = dispatch.reflection.bindings.iter().map(|(_, access)| *access).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut words = Vec::new();
    let mut outputs = Vec::new();
    for ((&(name, shape), tensor), access) in operands.iter().zip(&tensors).zip(accesses) {
        let writes = access == Access::ReadWrite;
        let mut values = fill(name, shape, writes && !reads_output, rows, &mut rng);
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
    (plan, SingleDispatch { program, operands: tensors, words, outputs })
}

fn run(runner: &mut dyn Runner, b: &SingleDispatch) -> Result<Vec<Vec<f32>>> {
    for (tensor, words) in b.operands.iter().zip(&b.words) {
        runner.write(tensor, words);
    }
    runner.run(&[b.program])?;
    b.outputs.iter().map(|(_, tensor)| runner.read(tensor)).collect()
}

/// The floats to compare: `rgba` as its bytes, everything else as it is; the parts of a split sum added up,
/// because the twin stores the whole sum in the first part.
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
pub fn check(adapter: &Adapter, case: Case) -> Result<Vec<CaseResult>> {
    let (mut runner, expected) = expect(&adapter.capabilities(), case, |plan| GpuRunner::new(adapter, plan))?;
    expected.compare(&mut runner)
}

/// A case that has run once, and can run again to be timed.
pub struct Comparison {
    /// One for every output.
    pub results: Vec<CaseResult>,
    runner: GpuRunner,
    program: ProgramId,
}

/// [`check`] on a device with timestamps, if it has them, so that the case can be timed.
///
/// # Errors
/// As [`check`].
pub fn compare(adapter: &Adapter, case: Case) -> Result<Comparison> {
    let (mut runner, expected) =
        expect(&adapter.capabilities(), case, |plan| GpuRunner::timed(adapter, plan))?;
    let results = expected.compare(&mut runner)?;
    Ok(Comparison { results, runner, program: expected.single.program })
}

impl Comparison {
    /// Nanoseconds of another run by the device's clock, if it has one. The first run sets up buffers and takes longer.
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

/// The expected results of one case.
struct Expected {
    label: String,
    kernel: &'static str,
    single: SingleDispatch,
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
    let (plan, single) = single_dispatch(target, case);
    let Some(dispatch) = plan.get(single.program).dispatches().next() else { unreachable!("just recorded") };
    let kernel = dispatch.kernel;
    let allowed: Vec<Tolerance> = single
        .outputs
        .iter()
        .map(|(name, t)| {
            tolerance(dispatch.op.as_ref(), name, t.len() / parts.unwrap_or(1)).stored_as(t.element)
        })
        .collect();
    let mut twin = ReferenceRunner::new(plan);
    let want = run(&mut twin, &single)?;
    Ok((open(twin.into_plan())?, Expected { label, kernel, single, split: parts.is_some(), allowed, want }))
}

impl Expected {
    fn compare(&self, runner: &mut dyn Runner) -> Result<Vec<CaseResult>> {
        let got = run(runner, &self.single)?;
        let mut results = Vec::new();
        for (((output, tensor), allowed), (got, want)) in
            self.single.outputs.iter().zip(&self.allowed).zip(got.iter().zip(&self.want))
        {
            let got = comparable(output, tensor.shape, got, self.split);
            let want = comparable(output, tensor.shape, want, self.split);
            let (index, ratio) = allowed.max_error(&got, &want);
            let element = (index, got[index], want[index]);
            let (label, kernel, output) = (self.label.clone(), self.kernel, output.clone());
            results.push(CaseResult { label, kernel, output, ratio, element });
        }
        Ok(results)
    }
}
