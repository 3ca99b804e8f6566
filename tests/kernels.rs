//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::cases`.

mod common;

use rayon::prelude::*;
use wgvae::ops::cases;
use wgvae::ops::check::{self, Verdict};
use wgvae::ops::variant::Variant;

#[test]
fn every_kernel_agrees_with_its_twin() {
    let Some(adapter) = common::adapter() else { return };
    // most of the time goes into compiling, which drivers do on one core
    let verdicts = cases::cases(&adapter.target(), true).into_par_iter().flat_map_iter(|case| {
        let label = case.label.clone();
        check::check(&adapter, case).unwrap_or_else(|e| panic!("{label}: {e}"))
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    let variants = Variant::all(&adapter.target()).len();
    println!("{} outputs compared on {}, {variants} variants", verdicts.len(), adapter.describe());
    let wrong: Vec<String> = verdicts.iter().filter(|v| !v.ok()).map(|v| format!("{v:?}")).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
}
