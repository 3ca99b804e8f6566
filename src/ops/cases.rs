//! Every op at the sizes where kernels break, and the one way to compare it with its twin.
//!
//! `wgvae selftest` and `tests/kernels.rs` both walk this table. Outputs start as NaN, unless the op adds to
//! what they hold, so that an element nobody writes is seen.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::adam::Adam;
use super::bce::{Bce, Totals};
use super::ceiling::{CeilingCopy, CeilingFma};
use super::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use super::gemm::{Epilogue, Gemm, Product};
use super::latent::{Reparameterize, ReparameterizeBackward};
use super::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use super::normal::Normal;
use super::picture::{Picture, Unpack};
use super::reduce::{BiasGrad, SplitSum};
use super::step::{Step, Stream};
use super::sweep::Sweep;
use super::tuning::SWEEPS;
use super::variant::Variant;
use super::worst::Worst;
use crate::error::Result;
use crate::gpu::kernel::Access;
use crate::gpu::{Adapter, GpuRunner, Op, Plan, ProgramId, Runner, Shape, Target, Tensor, TwinRunner};

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

/// One op at one size.
pub struct Case {
    /// what is special about it
    pub label: String,
    /// the op
    pub op: Box<dyn Op>,
    /// whether it adds to what its output holds
    pub updates: bool,
}

fn case(label: impl Into<String>, op: impl Op) -> Case {
    Case { label: label.into(), op: Box::new(op), updates: false }
}

fn update(label: impl Into<String>, op: impl Op) -> Case {
    Case { label: label.into(), op: Box::new(op), updates: true }
}

/// Adds every product under the plain and the default variant with every epilogue that makes a difference, and
/// under every other variant some, whole, split or added in turn: what differs there is the core, not the ends.
fn products<P: Product>(all: &mut Vec<Case>, target: &Target, label: &str, products: &[P]) {
    let variants = Variant::all(target);
    let thorough = [Some(Variant::PLAIN), Variant::shared(target, 1, 1)];
    for (index, &product) in products.iter().enumerate() {
        let size = product.size();
        let label = format!("{label} {}x{}x{}", size.m, size.n, size.k);
        for (turn, &variant) in variants.iter().enumerate() {
            let epilogue = [Epilogue::BiasRelu, Epilogue::Mask, Epilogue::Bias, Epilogue::None][index % 4];
            let name = format!("{label} {}", variant.name());
            let forms = [
                case(&name, Gemm { product, variant, splits: 1, epilogue }),
                case(format!("{name} split"), Gemm { product, variant, splits: 3, epilogue: Epilogue::None }),
                update(
                    format!("{name} added"),
                    Gemm { product, variant, splits: 1, epilogue: Epilogue::Accumulate },
                ),
            ];
            let every = thorough.contains(&Some(variant));
            if !every && ![1, 2, 4].contains(&index) {
                continue; // an odd size, one of several tiles, and a real layer
            }
            let chosen = forms.into_iter().enumerate().filter(|(at, _)| every || *at == (index + turn) % 3);
            all.extend(chosen.map(|(_, case)| case));
        }
    }
}

/// A size of 1, batches, odd sizes, channels that do not fill a tile, a real layer.
fn geometries(large: bool) -> Vec<Geometry> {
    let g = |images, low_h, low_w, low_c, high_c| Geometry { images, low_h, low_w, low_c, high_c };
    let mut all = vec![g(1, 1, 1, 4, 4), g(3, 3, 5, 12, 8), g(2, 8, 8, 36, 20), g(2, 4, 4, 64, 4)];
    if large {
        all.extend([g(4, 8, 8, 128, 64), g(1, 2, 2, 512, 256)]);
    }
    all
}

/// Every op; `large` adds the sizes that take a software adapter seconds.
pub fn cases(target: &Target, large: bool) -> Vec<Case> {
    let mut all = Vec::new();
    let geometries = geometries(large);
    let of = |f: fn(Geometry) -> Conv2d| geometries.iter().map(|&g| f(g)).collect::<Vec<_>>();
    products(&mut all, target, "conv2d", &of(Conv2d::from));
    let transposed: Vec<Conv2dTranspose> = geometries.iter().map(|&g| g.into()).collect();
    products(&mut all, target, "conv2d_transpose", &transposed);
    let weights: Vec<Conv2dWeightGrad> = geometries.iter().map(|&g| g.into()).collect();
    products(&mut all, target, "conv2d_weight_grad", &weights);
    let mut linears = vec![(1, 4, 4), (3, 20, 12), (17, 128, 72)];
    linears.extend(large.then_some((16, 8192, 256)));
    let linear = |&(rows, inputs, outputs): &(u32, u32, u32)| Linear { rows, inputs, outputs };
    products(&mut all, target, "linear", &linears.iter().map(linear).collect::<Vec<_>>());
    let linear = |&(rows, inputs, outputs): &(u32, u32, u32)| LinearInputGrad { rows, inputs, outputs };
    products(&mut all, target, "linear_input_grad", &linears.iter().map(linear).collect::<Vec<_>>());
    let linear = |&(rows, inputs, outputs): &(u32, u32, u32)| LinearWeightGrad { rows, inputs, outputs };
    products(&mut all, target, "linear_weight_grad", &linears.iter().map(linear).collect::<Vec<_>>());
    reductions(&mut all, large);
    elementwise(&mut all, large);
    all
}

fn reductions(all: &mut Vec<Case>, large: bool) {
    for epilogue in [Epilogue::None, Epilogue::BiasRelu, Epilogue::Mask] {
        all.push(case(format!("split_sum {epilogue:?}"), SplitSum::new(5, 3 * 12, 12, epilogue)));
    }
    all.push(update("split_sum added", SplitSum::new(7, 260, 4, Epilogue::Accumulate)));
    // the last has more rows in a part than go side by side
    for (rows, channels) in [(1, 4), (37, 12), (1000, 4), (300, 516), (20_000, 8)] {
        all.push(case(format!("bias_grad {rows}x{channels}"), BiasGrad::new(rows, channels)));
    }
    for (parts, rows) in [(1, 1), (63, 65), (1000, 3)] {
        for accumulate in [false, true] {
            all.push(update(format!("totals {parts}, {rows}"), Totals::new(parts, rows, accumulate)));
        }
    }
    for len in [4, 260, 70_000] {
        all.push(case(format!("worst {len}"), Worst::new(len, 1e-3, 1e-2)));
    }
    if large {
        // more than 65,535 workgroups
        all.push(case("split_sum, two rows of groups", SplitSum::new(1, 4 * 64 * 65_600, 4, Epilogue::None)));
    }
}

fn elementwise(all: &mut Vec<Case>, large: bool) {
    for (rows, latent) in [(1, 1), (3, 10), (5, 128), (2, 300)] {
        let quads = super::latent::padded(latent) / 4;
        all.push(case(format!("normal {rows}x{latent}"), Normal { rows, quads }));
        all.push(case(format!("reparameterize {rows}x{latent}"), Reparameterize { rows, latent, quads }));
        let op = ReparameterizeBackward { rows, latent, quads };
        all.push(case(format!("reparameterize_backward {rows}x{latent}"), op));
    }
    for (images, pixels) in [(1, 1), (3, 300), (3, 2304)] {
        all.push(update(format!("bce {images}x{pixels}"), Bce::new(images, pixels, false)));
        all.push(case(format!("bce with gradient {images}x{pixels}"), Bce::new(images, pixels, true)));
        for slots in [1, 7] {
            all.push(case(format!("unpack {images}x{pixels} of {slots}"), Unpack { images, pixels, slots }));
        }
        all.push(case(format!("picture {}", images * pixels), Picture { pixels: images * pixels }));
    }
    for [threads, each] in SWEEPS {
        for len in [4, 8200] {
            let op = Adam::new(len, Sweep { threads, each });
            all.push(update(format!("adam {len}, {threads} threads, {each} each"), op));
        }
    }
    for quads in [1, 65, 1000] {
        all.push(case(format!("ceiling_fma {quads}"), CeilingFma { quads, rounds: quads % 7 }));
        all.push(case(format!("ceiling_copy {quads}"), CeilingCopy { quads }));
    }
    if large {
        all.push(case("unpack, two rows of groups", Unpack { images: 64, pixels: 65_600, slots: 2 }));
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

/// What the op's name and operand allow.
fn tolerance(op: &dyn Op, output: &str, len: u32) -> Tolerance {
    let terms = (op.flops() / u64::from(len)).max(1);
    match (op.kernel().name, output) {
        (_, "rgba") => Tolerance { abs: 1.0, rel: 0.0 }, // bytes: the sigmoid may round to either side
        ("conv2d" | "conv2d_transpose" | "conv2d_weight_grad", _) => Tolerance::reduction(terms),
        ("linear" | "linear_input_grad" | "linear_weight_grad", _) => Tolerance::reduction(terms),
        ("split_sum" | "bias_grad" | "totals", _) | ("bce", "parts") => Tolerance::reduction(terms),
        (_, "kl") => Tolerance::reduction(terms),
        ("ceiling_copy", _) => Tolerance::EXACT,
        ("unpack", _) => Tolerance { abs: 1e-7, rel: 0.0 }, // a division may be a multiplication by 1/255
        _ => Tolerance::ELEMENTWISE,
    }
}

fn example_step(rows: u32) -> Step {
    let step =
        Step { stream: Stream::Training as u32, step: 7, first: 5, beta: 0.2, scale: 1.5, ..Step::default() };
    // the last picture of three is padding
    Step { count: if rows > 2 { rows - 1 } else { rows }, ..step }
        .seeded(0x1234_5678_9abc_def0)
        .with_adam(1e-3, 3)
}

/// The words that an operand starts with.
fn fill(name: &str, shape: Shape, poison: bool, rows: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    if name == "step" {
        return bytemuck::cast_slice(&[example_step(rows)]).to_vec();
    }
    let word = |rng: &mut ChaCha8Rng| match name {
        _ if poison => f32::NAN.to_bits(),
        "rgba" => rng.random(),
        "which" => rng.random_range(0..9), // some are out of range
        "moment2" => normal(rng).abs().to_bits(),
        _ => normal(rng).to_bits(),
    };
    (0..shape.len()).map(|_| word(rng)).collect()
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// A plan of one dispatch, and what to write into its operands.
struct Bench {
    plan: Plan,
    program: ProgramId,
    operands: Vec<Tensor>,
    words: Vec<Vec<u32>>,
    outputs: Vec<(String, Tensor)>,
}

fn bench(case: Case) -> Bench {
    let mut plan = Plan::new();
    let program = plan.program("case");
    let operands = case.op.operands();
    let usage =
        |name| if name == "step" { crate::gpu::Usage::Uniform } else { crate::gpu::Usage::Activation };
    let tensors: Vec<Tensor> = operands
        .iter()
        .map(|&(name, shape)| {
            let buffer = plan.buffer(name, shape.len().into(), usage(name));
            Tensor { buffer, offset: 0, shape }
        })
        .collect();
    let rows = operands.get(1).map_or(1, |(_, shape)| shape.dims()[0]);
    plan.dispatch_boxed(program, case.label, case.op, &tensors);
    let Some(dispatch) = plan.get(program).dispatches().next() else { unreachable!("just recorded") };
    let accesses: Vec<Access> = dispatch.reflection.bindings.iter().map(|(_, access)| *access).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut words = Vec::new();
    let mut outputs = Vec::new();
    for ((&(name, shape), tensor), access) in operands.iter().zip(&tensors).zip(accesses) {
        let writes = access == Access::ReadWrite;
        words.push(fill(name, shape, writes && !case.updates, rows, &mut rng));
        if writes {
            outputs.push((name.to_owned(), *tensor));
        }
    }
    Bench { plan, program, operands: tensors, words, outputs }
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
    let label = case.label.clone();
    let split = case.op.constants().contains(&("SPLITS", 3.into()));
    let b = bench(case);
    let Some(dispatch) = b.plan.get(b.program).dispatches().next() else { unreachable!("just recorded") };
    let kernel = dispatch.kernel;
    let allowed: Vec<Tolerance> =
        b.outputs.iter().map(|(name, t)| tolerance(dispatch.op.as_ref(), name, t.len())).collect();
    let Bench { plan, program, operands, words, outputs } = b;
    let mut twin = TwinRunner::new(plan);
    let b = Bench { plan: Plan::new(), program, operands, words, outputs };
    let want = run(&mut twin, &b)?;
    let got = run(&mut GpuRunner::new(adapter, twin.into_plan())?, &b)?;
    let mut verdicts = Vec::new();
    for (((output, tensor), allowed), (got, want)) in
        b.outputs.iter().zip(allowed).zip(got.into_iter().zip(want))
    {
        let got = comparable(output, tensor.shape, &got, split);
        let want = comparable(output, tensor.shape, &want, split);
        let (index, share) = allowed.worst(&got, &want);
        let worst = (index, got[index], want[index]);
        verdicts.push(Verdict { label: label.clone(), kernel, output: output.clone(), share, worst });
    }
    Ok(verdicts)
}
