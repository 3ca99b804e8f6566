//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::cases`.

mod common;

use rayon::prelude::*;
use wgvae::gpu::{Adapter, Element, Fragment, GpuRunner, Plan, Runner, Target};
use wgvae::ops::cases::{self, Case};
use wgvae::ops::check::{self, Verdict};
use wgvae::ops::conv2d::{Conv2d, Conv2dTranspose, Conv2dWeightGrad, Geometry};
use wgvae::ops::gemm::{Epilogue, Fused, Gemm, Product};
use wgvae::ops::linear::LinearWeightGrad;
use wgvae::ops::tuning::{Form, Tuning};
use wgvae::ops::variant::Variant;

/// Checks every case that is `wanted` among those of `target`, and fails with all that are wrong.
fn check_all(adapter: &Adapter, target: &Target, wanted: impl Fn(&Case) -> bool) -> usize {
    let cases: Vec<Case> = cases::cases(target, true).into_iter().filter(wanted).collect();
    // most of the time goes into compiling, which drivers do on one core
    let verdicts = cases.into_par_iter().flat_map_iter(|case| {
        let label = case.label.clone();
        check::check(adapter, case).unwrap_or_else(|e| panic!("{label}: {e}"))
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    let wrong: Vec<String> = verdicts.iter().filter(|v| !v.ok()).map(|v| format!("{v:?}")).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
    verdicts.len()
}

#[test]
fn every_kernel_agrees_with_its_twin() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.target();
    let outputs = check_all(&adapter, &target, |_| true);
    let variants = Variant::all(&target, Element::F16).len();
    println!("{outputs} outputs compared on {}, {variants} variants", adapter.describe());
}

/// Sums longer than an adapter can take in one loop, in the forms that it takes by default: llvmpipe ends a shader's
/// loops after 65,535 turns and says nothing. The features of a picture of 512 pixels are such a sum.
#[test]
fn long_sums_agree_with_their_twins() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.target();
    let product = LinearWeightGrad { rows: 1 << 19, inputs: 8, outputs: 12 };
    let tuning = Tuning::of(&target);
    let form = tuning.product(Fused::plain(product, Epilogue::None));
    let variants = [Variant::PLAIN, Variant::direct([16, 4], 1)];
    let Form::Product { variant, splits } = form else { panic!("{form:?}") };
    for variant in variants.into_iter().chain([variant]) {
        let mut case = cases::cases(&target, false).swap_remove(0);
        (case.label, case.form) = (format!("long sum, {} in {splits} parts", variant.name()), String::new());
        case.op = Box::new(Gemm { product, variant, splits, epilogue: Epilogue::None });
        for verdict in check::check(&adapter, case).expect("checked") {
            println!("{verdict:?}");
            assert!(verdict.ok(), "{verdict:?}");
        }
    }
}

/// Where subgroups may be larger than they turn out to be, a workgroup has more of them than it needs.
#[test]
fn cooperative_cores_bear_more_subgroups_than_they_need() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.target();
    let wider = |of: &Fragment| Fragment { lanes: [of.lanes[0], 2 * of.lanes[1]], ..*of };
    let wider = Target { fragments: target.fragments.iter().map(wider).collect(), ..target };
    let is_cooperative = |variant: &Variant| matches!(variant, Variant::Cooperative { .. });
    if !Variant::all(&wider, Element::F16).iter().any(is_cooperative) {
        eprintln!("SKIPPED, no cooperative matrices for which such a workgroup fits: {}", adapter.describe());
        return;
    }
    let outputs = check_all(&adapter, &wider, |case| {
        case.label.starts_with("conv2d_weight_grad") && case.form.starts_with("cooperative")
    });
    println!("{outputs} outputs compared on {}", adapter.describe());
}

/// What every form computes from these factors, each with its name.
fn of_every_form<P: Product>(
    adapter: &Adapter,
    product: P,
    left: &[f32],
    right: &[f32],
) -> Vec<(String, Vec<f32>)> {
    let target = adapter.target();
    let forms = Variant::all(&target, Element::F32).into_iter();
    forms
        .map(|variant| {
            let mut plan = Plan::new();
            let program = plan.program("edges");
            let [a, b, c] = product.shapes();
            let [a, b, c] =
                [("left", a), ("right", b), ("out", c)].map(|(name, s)| plan.tensor(name, s.dims()));
            let op = Gemm { product, variant, splits: 1, epilogue: Epilogue::None };
            plan.dispatch(program, "edges", op, &[a, b, a.slice(0, 4), c]);
            let mut runner = GpuRunner::new(adapter, plan).expect("a runner");
            runner.write(&a, bytemuck::cast_slice(left));
            runner.write(&b, bytemuck::cast_slice(right));
            runner.run(&[program]).expect("a run");
            (variant.name(), runner.read(&c).expect("a result"))
        })
        .collect()
}

/// A tile whose pixels all lie along an edge leaves out the taps beyond it: multiplied by zeros, not a number would
/// still be not a number.
#[test]
fn taps_beyond_an_edge_are_left_out() {
    let Some(adapter) = common::adapter() else { return };
    let g = |low_h| Geometry { images: 16, low_h, low_w: 8, low_c: 8, high_c: 32 };
    let finite = |of: &str, outputs: Vec<(String, Vec<f32>)>, part: std::ops::Range<usize>| {
        assert!(outputs.len() > 1, "{of}: forms");
        for (form, out) in outputs {
            let wrong =
                out.chunks(16 * 32).flat_map(|row| &row[part.clone()]).filter(|v| !v.is_finite()).count();
            assert_eq!(wrong, 0, "{of} by {form}");
        }
    };

    // pictures of one row of low: only ky = 1 and 2 lie inside
    let (low, high) = (vec![1.0; 16 * 8 * 8], vec![1.0; 16 * 2 * 16 * 32]);
    let inside = |at: usize| (1..=2).contains(&(at / (4 * 32) % 4));
    let weight: Vec<f32> = (0..8 * 16 * 32).map(|at| if inside(at) { 1.0 } else { f32::NAN }).collect();
    finite("conv2d", of_every_form(&adapter, Conv2d::from(g(1)), &high, &weight), 0..16 * 32);
    let transposed = of_every_form(&adapter, Conv2dTranspose::from(g(1)), &low, &weight);
    finite("conv2d_transpose", transposed, 0..16 * 32);

    // of two, the first adds nothing through ky = 0 and the second nothing through ky = 3
    let high = vec![1.0; 16 * 4 * 16 * 32];
    for (row, ky) in [(0, 0), (1, 3)] {
        let low: Vec<f32> =
            (0..16 * 2 * 8 * 8).map(|at| if at / (8 * 8) % 2 == row { f32::NAN } else { 1.0 }).collect();
        let outputs = of_every_form(&adapter, Conv2dWeightGrad::from(g(2)), &low, &high);
        finite("conv2d_weight_grad", outputs, ky * 4 * 32..(ky + 1) * 4 * 32);
    }
}
