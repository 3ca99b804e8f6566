//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::cases`.

mod common;

use rayon::prelude::*;
use wgvae::gpu::{Adapter, Element, Target};
use wgvae::ops::cases::{self, Case};
use wgvae::ops::check::{self, Verdict};
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

/// Where subgroups may be larger than they turn out to be, a workgroup has more of them than it needs.
#[test]
fn cooperative_cores_bear_more_subgroups_than_they_need() {
    let Some(adapter) = common::adapter() else { return };
    let target = adapter.target();
    let (Some([least, most]), false) = (target.subgroups, target.fragments.is_empty()) else {
        println!("skipped: {} has no cooperative matrices", adapter.describe());
        return;
    };
    let wider = Target { subgroups: Some([least, 2 * most]), ..target };
    let outputs = check_all(&adapter, &wider, |case| {
        case.label.starts_with("conv2d_weight_grad") && case.form.starts_with("cooperative")
    });
    println!("{outputs} outputs compared on {}", adapter.describe());
    assert!(outputs > 0, "no core fits a workgroup");
}
