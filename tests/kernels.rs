//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::cases`.

mod common;

use rayon::prelude::*;
use wgvae::gpu::{Adapter, Element, Fragment, Target};
use wgvae::ops::cases::{self, Case};
use wgvae::ops::check::{self, Verdict};
use wgvae::ops::gemm::{Epilogue, Fused, Gemm};
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
