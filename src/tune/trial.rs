//! A tuning trial: the candidates of a few ops on one device, compared with the plain configuration, then timed in
//! alternation.

use std::time::Duration;

use super::CandidateResult;
use crate::error::Result;
use crate::gpu::{Adapter, Element, GpuRunner, Plan, ProgramId, Runner, Shape, Tensor, Usage};
use crate::ops::max_error::MaxError;
use crate::ops::normal::Normal;
use crate::ops::tolerance::Tolerance;
use crate::ops::tunable::{KernelConfig, Tunable};
use crate::ops::{Step, Stream};

/// Rounds of the final; each round times each candidate once.
const ROUNDS: usize = 5;
/// A candidate slower than the best by this factor in the first round is dropped.
const DROP_RATIO: f64 = 1.5;
/// Minimum duration of a measurement; shorter ones are repeated within one submit.
const LONG_ENOUGH: Duration = Duration::from_millis(2);
/// Maximum number of repetitions in one submit.
const MAX_REPEATS: u32 = 64;

/// The programs of one op.
struct Entry {
    /// programs that fill one input each with random numbers
    inputs: Vec<ProgramId>,
    /// programs that fill `out` and `want` with random numbers
    outputs: [ProgramId; 2],
    /// program that runs the plain configuration into `want`
    plain: ProgramId,
    /// candidates that write `out`: the programs that are timed for each; the first of them is the complete op
    candidates: Vec<Vec<ProgramId>>,
    /// programs that compare `out` with `want`, one per candidate
    compare: Vec<ProgramId>,
    /// result of the comparison
    ratios: Tensor,
}

/// Buffers shared by all ops, sized for the largest.
struct Pool {
    /// lengths in 32-bit words
    lens: Vec<u64>,
}

impl Pool {
    fn tensors(ops: &[(&dyn Tunable, Vec<KernelConfig>)], plan: &mut Plan) -> Vec<Vec<Tensor>> {
        let mut pool = Self { lens: Vec::new() };
        for (op, _) in ops {
            let operands = operands(*op);
            operands.iter().zip(places(*op)).for_each(|(operand, at)| pool.grow(at, operand));
            operands.last().into_iter().for_each(|out| pool.grow(WANTED, out));
        }
        let mut buffer = |at: usize, len: u64| plan.buffer(format!("operand {at}"), len, Usage::State);
        let buffers: Vec<_> = pool.lens.iter().enumerate().map(|(at, &len)| buffer(at, len)).collect();
        let step = Tensor {
            buffer: plan.buffer("step", Step::shape().len().into(), Usage::Uniform),
            offset: 0,
            shape: Step::shape(),
            element: Element::F32,
        };
        let of_op = |op: &&dyn Tunable| {
            let operands = operands(*op);
            let last = operands.len() - 1;
            let tensor = |at: usize, operand: &Operand| Tensor {
                buffer: buffers[at],
                offset: 0,
                shape: operand.shape,
                element: operand.element,
            };
            let bound = |(operand, at): (&Operand, usize)| match operand.name {
                "step" => step,
                _ => tensor(at, operand),
            };
            let mut tensors: Vec<Tensor> = operands.iter().zip(places(*op)).map(bound).collect();
            tensors.extend([tensor(WANTED, &operands[last]), step]);
            tensors
        };
        ops.iter().map(|(op, _)| of_op(op)).collect()
    }

    fn grow(&mut self, at: usize, operand: &Operand) {
        if operand.name == "step" {
            return;
        }
        self.lens.resize(self.lens.len().max(at + 1), 0);
        self.lens[at] = self.lens[at].max(operand.element.words(operand.shape.len().into()));
    }
}

/// Pool index of the expected output.
const WANTED: usize = 1;

/// Pool index per operand: 0 is the output, 2 its in-place input, and the rest follow. The uniform has none.
fn places(op: &dyn Tunable) -> Vec<usize> {
    let last = op.operands().len() - 1;
    let place = |at: usize| match at {
        _ if at == last => 0,
        _ if Some(at) == op.shared() => 2,
        _ => 3 + at,
    };
    (0..=last).map(place).collect()
}

/// An operand of an op.
struct Operand {
    name: &'static str,
    shape: Shape,
    element: Element,
}

fn operands(op: &dyn Tunable) -> Vec<Operand> {
    let elements = op.elements().into_iter().chain(std::iter::repeat(Element::F32));
    let named = op.operands().into_iter().zip(elements);
    named.map(|((name, shape), element)| Operand { name, shape, element }).collect()
}

/// A program that fills `tensor` with normals, or with zeros if it is a second moment, which is never negative, or
/// contains words that are not floats.
fn fill(plan: &mut Plan, name: &str, tensor: Tensor, step: Tensor) -> ProgramId {
    let program = plan.program("fill");
    if ["moment2", "scaling"].contains(&name) {
        plan.clear(program, tensor.buffer);
    } else {
        let op = Normal { rows: 1, pictures: 1, vec4s: tensor.len() / 4 };
        plan.dispatch(program, name, op, &[step, tensor]);
    }
    program
}

fn record(
    plan: &mut Plan,
    (op, candidates): &(&dyn Tunable, Vec<KernelConfig>),
    tensors: &[Tensor],
) -> Entry {
    let (operands, rest) = tensors.split_at(tensors.len() - 2);
    let (want, step) = (rest[0], rest[1]);
    let out = operands[operands.len() - 1];
    let names = op.operands();
    let inputs = names.iter().zip(operands).take(names.len() - 1).filter(|((name, _), _)| *name != "step");
    let inputs = inputs.map(|((name, _), tensor)| fill(plan, name, *tensor, step)).collect();
    let outputs = [out, want].map(|tensor| fill(plan, "out", tensor, step));
    let mut wanted = operands.to_vec();
    wanted[operands.len() - 1] = want;
    let plain = plan.program("plain");
    op.record(plan, plain, candidates[0], &wanted);
    if let Some(at) = op.shared() {
        plan.persist_derived_of(operands[at].buffer);
    }
    let programs: Vec<Vec<ProgramId>> =
        candidates.iter().map(|form| candidate(plan, *op, *form, operands)).collect();
    let ratios = plan.tensor("ratios", &[MaxError::new(out.len(), 0.0, 0.0).parts()]);
    let compare = candidates
        .iter()
        .map(|form| {
            let Tolerance { abs, rel } = op.tolerance(*form);
            let program = plan.program("compare");
            plan.dispatch(
                program,
                "compare",
                MaxError::new(out.len(), abs as f32, rel as f32),
                &[out, want, ratios],
            );
            program
        })
        .collect();
    Entry { inputs, outputs, plain, candidates: programs, compare, ratios }
}

/// The programs that time one candidate: `op` with `form`, and if it derives data from a tensor shared with another
/// product, `op` again with the derived data cached. The two products of a training step take the sum of these times.
fn candidate(plan: &mut Plan, op: &dyn Tunable, form: KernelConfig, operands: &[Tensor]) -> Vec<ProgramId> {
    let first = plan.program("candidate");
    op.record(plan, first, form, operands);
    if op.shared().is_none() {
        return vec![first];
    }
    let second = plan.program("candidate, second");
    plan.inherit_derived(second, &[first]);
    op.record(plan, second, form, operands);
    let less = plan.get(second).items.len() < plan.get(first).items.len();
    if less { vec![first, second] } else { vec![first] }
}

/// Fills the inputs and then the output with random numbers that are identical on every call, independent of what an op
/// has written. The output is filled so that ops which accumulate, and ops which skip an element, are both detected.
fn draw(runner: &mut GpuRunner, inputs: &[ProgramId], output: ProgramId, step: Tensor) -> Result<()> {
    let begin = Step { noise_std: 1.0, stream: Stream::Training as u32, ..Step::default() };
    for (at, program) in inputs.iter().chain([&output]).enumerate() {
        let draws = Step { step: at as u32, ..begin }.seeded(0x7e57);
        runner.write(&step, bytemuck::cast_slice(&[draws]));
        runner.run(&[*program])?;
    }
    let example = Step { valid: u32::MAX, beta: 0.2, ..begin }.with_adam(1e-3, 0.0, 3);
    runner.write(&step, bytemuck::cast_slice(&[example]));
    Ok(())
}

/// The largest error relative to the tolerance of each candidate, compared with the plain configuration.
fn ratios(runner: &mut GpuRunner, entry: &Entry, step: Tensor) -> Result<Vec<f32>> {
    let [out, want] = entry.outputs;
    draw(runner, &entry.inputs, want, step)?;
    runner.run(&[entry.plain])?;
    let mut ratios = Vec::new();
    for (candidate, compare) in entry.candidates.iter().zip(&entry.compare) {
        let mut share = 0.0;
        for program in candidate {
            // identical draws, so the data derived by the first program are valid for the second
            draw(runner, &entry.inputs, out, step)?;
            runner.run(&[*program, *compare])?;
            share = runner.read(&entry.ratios)?.into_iter().fold(share, f32::max);
        }
        ratios.push(share);
    }
    Ok(ratios)
}

/// One measurement of a candidate: the mean time of its programs.
fn once(runner: &mut GpuRunner, programs: &[ProgramId], repeats: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for program in programs {
        sum += runner.time(*program, repeats)? / repeats;
    }
    Ok(sum / programs.len() as u32)
}

/// Times the correct candidates: one round for all, further rounds for those that are not far behind.
fn race(runner: &mut GpuRunner, candidates: &[Option<&[ProgramId]>]) -> Result<Vec<Option<Duration>>> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); candidates.len()];
    let mut repeats = 1;
    if let Some(first) = candidates.iter().flatten().next() {
        let estimate = once(runner, first, 1)?.max(Duration::from_nanos(1));
        repeats =
            (LONG_ENOUGH.as_secs_f64() / estimate.as_secs_f64()).ceil().clamp(1.0, MAX_REPEATS.into()) as u32;
    }
    for round in 0..ROUNDS {
        let best = times.iter().filter_map(|t| t.iter().min()).min().copied();
        for (programs, times) in candidates.iter().zip(&mut times) {
            let behind =
                best.zip(times.first()).is_some_and(|(b, t)| t.as_secs_f64() > DROP_RATIO * b.as_secs_f64());
            if let Some(programs) = programs
                && (round == 0 || !behind)
            {
                times.push(once(runner, programs, repeats)?);
            }
        }
    }
    Ok(times.into_iter().map(median).collect())
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

/// Results for every candidate of every op, in order.
///
/// # Errors
/// If the device refuses any of them, or is out of memory.
pub(super) fn run(
    adapter: &Adapter,
    ops: &[(&dyn Tunable, Vec<KernelConfig>)],
) -> Result<Vec<Vec<CandidateResult>>> {
    let mut plan = Plan::of(&adapter.capabilities());
    let tensors = Pool::tensors(ops, &mut plan);
    let entries: Vec<Entry> =
        ops.iter().zip(&tensors).map(|(op, tensors)| record(&mut plan, op, tensors)).collect();
    let mut runner = GpuRunner::timed(adapter, plan)?;
    let mut all = Vec::new();
    for (entry, tensors) in entries.iter().zip(&tensors) {
        let step = tensors[tensors.len() - 1];
        let ratios = ratios(&mut runner, entry, step)?;
        let right = entry.candidates.iter().zip(&ratios);
        let right: Vec<Option<&[ProgramId]>> =
            right.map(|(programs, share)| (*share <= 1.0).then_some(&programs[..])).collect();
        let times = race(&mut runner, &right)?;
        let verdict = |(time, share): (Option<Duration>, f32)| {
            time.map_or(CandidateResult::Wrong(share), CandidateResult::Right)
        };
        all.push(times.into_iter().zip(ratios).map(verdict).collect());
    }
    Ok(all)
}
