//! Every kernel on the adapter in use against its CPU twin, over the table in `ops::cases`.

mod common;

use wgvae::ops::cases;

#[test]
fn every_kernel_agrees_with_its_twin() {
    let Some(adapter) = common::adapter() else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases::cases(&adapter.target(), true) {
        let label = case.label.clone();
        for verdict in cases::check(&adapter, case).unwrap_or_else(|e| panic!("{label}: {e}")) {
            count += 1;
            if !verdict.ok() {
                wrong.push(format!("{verdict:?}"));
            }
        }
    }
    println!("{count} outputs compared on {}", adapter.describe());
    assert!(wrong.is_empty(), "{} of {count} outputs are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
