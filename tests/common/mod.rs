//! What the GPU tests share: the adapter, and saying so when there is none.

use wgvae::gpu::{Adapter, Choice, adapter};

/// The adapter named by `WGVAE_ADAPTER`, or the best one.
///
/// Without one the test fails, unless `WGVAE_ALLOW_NO_GPU=1`: then it says that it was skipped.
pub(crate) fn adapter() -> Option<Adapter> {
    let named = std::env::var("WGVAE_ADAPTER").ok();
    let choice: Choice = named.and_then(|name| name.parse().ok()).unwrap_or_default();
    let backends = adapter::backends(None).expect("the default back ends");
    match Adapter::choose(&choice, backends) {
        Ok(adapter) => Some(adapter),
        Err(error) if std::env::var("WGVAE_ALLOW_NO_GPU").is_ok_and(|v| v == "1") => {
            eprintln!("SKIPPED, no GPU adapter: {error}");
            None
        }
        Err(error) => panic!("{error}\nSet WGVAE_ALLOW_NO_GPU=1 to skip the GPU tests."),
    }
}

/// Whether `adapter` has 16-bit floats; says so where a test is skipped for want of them.
#[allow(dead_code, reason = "not every test file trains in f16")]
pub(crate) fn has_f16(adapter: &Adapter) -> bool {
    let there = adapter.target().f16;
    if !there {
        eprintln!("SKIPPED, no 16-bit floats: {}", adapter.describe());
    }
    there
}
