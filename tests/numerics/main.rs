//! Numerical tests without a GPU: the twins against finite differences, and the metrics against other programs' values
//! (tools/make_metrics.py), closed forms and known cases.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod distances;
mod factors;
mod fidelity;
mod flow;
mod formulas;
mod frechet;
mod gradients;
mod latents;
mod precision_recall;

/// The panic message of `f`.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let fault = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().expect("no panic");
    let text = fault.downcast_ref::<String>().cloned();
    text.or_else(|| fault.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .expect("a panic without text")
}

/// The results of `f` on one thread and on three.
fn on_threads<T: Send>(f: impl Fn() -> T + Sync) -> [T; 2] {
    [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(&f)
    })
}

#[track_caller]
fn close(got: f64, want: f64, error: f64) {
    assert!((got - want).abs() <= error, "{got} is not {want} within {error}");
}
