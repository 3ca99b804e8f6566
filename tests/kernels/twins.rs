//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::testing::cases`.

use std::collections::BTreeMap;

use rayon::prelude::*;
use wgvae::gpu::{Adapter, Capabilities, Element, Fragment, GpuRunner, Plan, Runner, Shape};
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::fused::Fused;
use wgvae::ops::gemm::variant::Variant;
use wgvae::ops::gemm::{Epilogue, Gemm, Product};
use wgvae::ops::linear::LinearWeightGrad;
use wgvae::ops::testing::cases::{self, Case};
use wgvae::ops::testing::check;
use wgvae::ops::tunable::{KernelConfig, Tunable};
use wgvae::ops::tuning::Tuning;

use crate::common::report::{self, Progress};
use crate::common::{self, Choose, Scale};

/// Checks `cases`, and fails with all that are wrong or refused.
fn check_all(adapter: &Adapter, cases: Vec<Case>) -> usize {
    let progress = Progress::new(cases.len(), "cases");
    // most of the time is compilation, which drivers do on one core
    let outcomes = cases.into_par_iter().map(|case| {
        let label = case.label.clone();
        let checked = check::check(adapter, case).map_err(|error| format!("REFUSED {label}: {error}"));
        progress.step();
        checked
    });
    let outcomes: Vec<Result<Vec<check::CaseResult>, String>> = outcomes.collect();
    let outputs = outcomes.iter().flatten().flatten().count();
    let wrong = outcomes.iter().flatten().flatten().filter(|v| !v.ok()).map(|v| format!("WRONG {v:?}"));
    let wrong: Vec<String> = outcomes.iter().filter_map(|o| o.as_ref().err().cloned()).chain(wrong).collect();
    assert!(wrong.is_empty(), "{} of {outputs} outputs:\n{}", wrong.len(), wrong.join("\n"));
    outputs
}

/// The case of medium size for each kernel and configuration: the usual test of a second adapter.
fn one_of_each_kind(cases: Vec<Case>) -> Vec<Case> {
    let mut kinds: BTreeMap<_, Vec<Case>> = BTreeMap::new();
    for case in cases {
        let kind = (case.op.kernel().name, case.config.clone(), case.is_half());
        kinds.entry(kind).or_default().push(case);
    }
    let middling = |mut cases: Vec<Case>| {
        let elements = |case: &Case| -> u32 { case.op.operands().iter().map(|(_, shape)| shape.len()).sum() };
        cases.sort_by_key(elements);
        cases.swap_remove(cases.len() / 2)
    };
    kinds.into_values().map(middling).collect()
}

fn names(variants: &[Variant]) -> Vec<String> {
    variants.iter().map(|variant| variant.name()).collect()
}

#[test]
fn every_kernel_agrees_with_its_twin() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.capabilities();
    let mut cases = cases::cases(&target, true);
    let chosen = Choose::from_environment();
    let every: Vec<String> = names(&Variant::all(&target, Element::F16));
    let variants = names(&common::variants(&target, Element::F16));
    cases.retain(|case| {
        let in_scale = match common::scale() {
            Scale::Usual => !case.rare,
            Scale::All => true,
            Scale::Rest => case.rare,
        };
        // configurations of other kinds are in every part
        let in_part = !every.contains(&case.config) || variants.contains(&case.config);
        in_scale && in_part && chosen.kernel(case.op.kernel().name) && chosen.variant(&case.config)
    });
    if common::is_set("WGVAE_TEST_SECOND") && common::scale() == Scale::Usual {
        cases = one_of_each_kind(cases);
    }
    assert!(!cases.is_empty(), "no kernel or configuration has that in its name");
    let outputs = check_all(&adapter, cases);
    report::checked(outputs, "outputs against twins");
    let [tried, all] = [variants.len(), every.len()];
    println!("{outputs} outputs compared on {}, {tried} of {all} variants", adapter.describe());
}

/// Sums longer than one loop of an adapter may be, in the default configurations: llvmpipe ends a shader's loops after 65,535
/// iterations and reports no error. The features of a picture of 512 pixels are such a sum.
#[test]
fn long_sums_agree_with_their_twins() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.capabilities();
    let product = LinearWeightGrad { rows: 1 << 19, inputs: 8, outputs: 12, planes: 1 };
    let tuning = Tuning::of(&target);
    let config = tuning.product(Fused::plain(product, Epilogue::NONE));
    let variants = [Variant::PLAIN, Variant::direct([16, 4], 1)];
    let KernelConfig::Product { variant, splits } = config else { panic!("{config:?}") };
    for variant in variants.into_iter().chain([variant]) {
        let mut case = cases::cases(&target, false).swap_remove(0);
        (case.label, case.config) =
            (format!("long sum, {} in {splits} parts", variant.name()), String::new());
        case.op = Box::new(Gemm { product, variant, splits, epilogue: Epilogue::NONE });
        for verdict in check::check(&adapter, case).expect("checked") {
            println!("{verdict:?}");
            assert!(verdict.ok(), "{verdict:?}");
        }
    }
}

/// If subgroups may be larger than they are, a workgroup has more of them than it needs.
#[test]
fn cooperative_cores_work_with_surplus_subgroups() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.capabilities();
    let wider = |of: &Fragment| Fragment { lanes: [of.lanes[0], 2 * of.lanes[1]], ..*of };
    let wider = Capabilities { fragments: target.fragments.iter().map(wider).collect(), ..target };
    let is_cooperative = |variant: &Variant| matches!(variant, Variant::Cooperative { .. });
    if !Variant::all(&wider, Element::F16).iter().any(is_cooperative) {
        let adapter = adapter.describe();
        report::left_out(&format!("no cooperative matrices for which such a workgroup fits: {adapter}"));
        return;
    }
    let mut cases = cases::cases(&wider, true);
    cases.retain(|case| {
        case.label.starts_with("conv2d_weight_grad") && case.config.starts_with("cooperative")
    });
    let outputs = check_all(&adapter, cases);
    println!("{outputs} outputs compared on {}", adapter.describe());
}

/// The outputs of every variant for each pair of factors, with the variant's name.
fn of_every_variant<P: Product>(
    adapter: &Adapter,
    product: P,
    factors: &[[Vec<f32>; 2]],
) -> Vec<(String, Vec<Vec<f32>>)> {
    let run = |variant: Variant| {
        let mut plan = Plan::of(&adapter.capabilities());
        let program = plan.program("edges");
        let [a, b, c] = product.shapes();
        let [a, b, c] = [("left", a), ("right", b), ("out", c)].map(|(name, s)| plan.tensor(name, s.dims()));
        let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::NONE };
        plan.dispatch(program, "edges", op, &[a, b, a.slice(0, 4), c]);
        let mut runner = GpuRunner::new(adapter, plan).expect("a runner");
        let outputs = factors.iter().map(|[left, right]| {
            runner.write(&a, bytemuck::cast_slice(left));
            runner.write(&b, bytemuck::cast_slice(right));
            runner.run(&[program]).expect("a run");
            runner.read(&c).expect("a result")
        });
        (variant.name(), outputs.collect())
    };
    common::variants(&adapter.capabilities(), Element::F32).into_par_iter().map(run).collect()
}

/// A tile of pixels along an edge skips the taps beyond the edge. It must not multiply them by zero, because a NaN times zero
/// is a NaN.
#[test]
fn taps_beyond_an_edge_are_skipped() {
    let Some(adapter) = common::adapter() else { return };
    // a row of all pictures is as long as the longest tile, and half a sum as long as the deepest
    let g = Geometry { batch: 64, low_h: 4, low_w: 8, low_c: 16, high_c: 32 };
    let ones = |shape: Shape| vec![1.0; shape.len() as usize];
    // NaN at index `at` along `dim`
    let flawed = |shape: Shape, dim: usize, at: usize| -> Vec<f32> {
        let inner: u32 = shape.dims()[dim + 1..].iter().product();
        let along = |i: u32| (i / inner % shape.dims()[dim]) as usize;
        (0..shape.len()).map(|i| if along(i) == at { f32::NAN } else { 1.0 }).collect()
    };
    // with every variant, no output at index `at` along `dim` is NaN, but others are
    let check =
        |outputs: Vec<(String, Vec<Vec<f32>>)>, shape: Shape, of: &str, [dim, first, last]: [usize; 3]| {
            let few = common::scale() == Scale::Usual && outputs.len() < 2;
            assert!(!few, "{of}: forms");
            let inner: usize = shape.dims()[dim + 1..].iter().map(|&d| d as usize).product();
            for (variant, outputs) in outputs {
                for (out, at) in outputs.iter().zip([first, last]) {
                    let along = |i: usize| i / inner % shape.dims()[dim] as usize;
                    let finite = |i: &usize| out[*i].is_finite();
                    let (edge, others): (Vec<usize>, Vec<usize>) =
                        (0..out.len()).partition(|&i| along(i) == at);
                    assert!(edge.iter().all(finite), "{of} with {variant}: index {at} along {dim}");
                    assert!(!others.iter().all(finite), "{of} with {variant}: there is no NaN");
                }
            }
        };

    // the first row of low has no ky = 0, the last no ky = 3
    let by_weight = [0, 3].map(|ky| [ones(g.high()), flawed(g.weight(), 1, ky)]);
    check(of_every_variant(&adapter, Conv2d::from(g), &by_weight), g.low(), "conv2d", [1, 0, 3]);
    // nor has the first row of high ky = 3 - 0 - 0, or the last ky = 3 - 1 - 2
    let by_weight = [3, 0].map(|ky| [ones(g.low()), flawed(g.weight(), 1, ky)]);
    let outputs = of_every_variant(&adapter, Conv2dTranspose::from(g), &by_weight);
    check(outputs, g.high(), "conv2d_transpose", [1, 0, 7]);
    let by_row = [0, 3].map(|row| [flawed(g.low(), 1, row), ones(g.high())]);
    let outputs = of_every_variant(&adapter, Conv2dWeightGrad::from(g), &by_row);
    check(outputs, g.weight(), "conv2d_weight_grad", [1, 0, 3]);
}

/// Winograd convolutions in three chunks, by the adapter's default configuration and by the plain core in two parts. A chunk
/// must not read what another one has left in memory and textures.
#[test]
fn winograd_chunks_agree_with_the_twin() {
    fn hold<P: Product>(adapter: &Adapter, product: P) {
        let fused = Fused::plain(product, Epilogue::NONE);
        let usual = fused.candidates(&adapter.capabilities()).last().copied().expect("forms");
        for config in [usual, KernelConfig::Winograd { variant: Variant::PLAIN, splits: 2 }] {
            let mut plan = Plan::of(&adapter.capabilities());
            let program = plan.program("rounds");
            let operands: Vec<_> =
                fused.operands().iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
            fused.record(&mut plan, program, config, &operands);
            let chunks = plan.get(program).dispatches().filter(|d| d.kernel.ends_with("_inverse")).count();
            assert_eq!(chunks, 3, "{}", config.name());
            let mut runner = GpuRunner::new(adapter, plan).expect("a runner");
            let wave =
                |scale: f32, len: u32| -> Vec<f32> { (0..len).map(|i| (scale * i as f32).sin()).collect() };
            let (left, right) = (wave(0.7, operands[0].len()), wave(1.3, operands[1].len()));
            runner.write_f32(&operands[0], &left);
            runner.write_f32(&operands[1], &right);
            runner.write_f32(&operands[3], &vec![f32::NAN; operands[3].len() as usize]);
            runner.run(&[program]).expect("a run");
            let got = runner.read(&operands[3]).expect("a result");
            let mut want = vec![f32::NAN; got.len()];
            product.twin(&left, &right, &mut |at, sum| want[at] = sum as f32);
            let (at, ratio) = fused.tolerance(config).max_error(&got, &want);
            assert!(
                ratio <= 1.0,
                "{}: the error of element {at} is {ratio} times the tolerance",
                config.name()
            );
        }
    }
    let Some(adapter) = common::adapter() else { return };
    let g = Geometry { batch: 33, low_h: 32, low_w: 32, low_c: 12, high_c: 32 };
    hold(&adapter, Conv2d::from(g));
    hold(&adapter, Conv2dTranspose::from(g));
    hold(&adapter, Conv2dWeightGrad::from(g));
}
