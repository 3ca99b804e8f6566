//! Shared parts of the test programs: the adapter, the scale of the run, and reports to the suite.

#![allow(dead_code, reason = "every group uses some of it")]

pub(crate) mod containers;
pub(crate) mod events;
pub(crate) mod profiles;
pub(crate) mod program;
pub(crate) mod pth;
pub(crate) mod report;

use wgvae::gpu::{Adapter, AdapterChoice, Capabilities, Element, adapter};
use wgvae::ops::Tuning;
use wgvae::ops::gemm::variant::Variant;

/// The adapter named by `WGVAE_ADAPTER`, or the best one.
///
/// If there is none, the test fails, unless `WGVAE_ALLOW_NO_GPU=1`: then it reports that it was skipped.
pub(crate) fn adapter() -> Option<Adapter> {
    let named = std::env::var("WGVAE_ADAPTER").ok();
    let choice: AdapterChoice = named.and_then(|name| name.parse().ok()).unwrap_or_default();
    let backends = adapter::backends(None).expect("the default back ends");
    match Adapter::choose(&choice, backends) {
        Ok(adapter) => Some(adapter),
        Err(error) if is_set("WGVAE_ALLOW_NO_GPU") => {
            report::left_out(&format!("no GPU adapter: {error}"));
            None
        }
        Err(error) => {
            panic!("{error}\nSet WGVAE_ALLOW_NO_GPU=1 to leave out the tests that need an adapter.")
        }
    }
}

/// Whether `adapter` has 16-bit floats; if not, reports that a test is skipped.
pub(crate) fn has_f16(adapter: &Adapter) -> bool {
    let there = adapter.capabilities().f16;
    if !there {
        report::left_out(&format!("no 16-bit floats: {}", adapter.describe()));
    }
    there
}

/// Scale of the run, from `WGVAE_TEST_SCALE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// tests that every change must pass
    Usual,
    /// all tests: `all`
    All,
    /// only the tests in `all` that are not in the usual run: `rest`
    Rest,
}

/// The scale of this run.
///
/// # Panics
/// If the variable has another value.
pub(crate) fn scale() -> Scale {
    match std::env::var("WGVAE_TEST_SCALE").as_deref() {
        Err(_) | Ok("" | "usual") => Scale::Usual,
        Ok("all") => Scale::All,
        Ok("rest") => Scale::Rest,
        Ok(other) => panic!("WGVAE_TEST_SCALE={other}: usual, all or rest"),
    }
}

/// `all` in a full run, and `some` in the usual one.
pub(crate) fn at_scale<T>(some: T, all: T) -> T {
    if scale() == Scale::Usual { some } else { all }
}

/// Selection of kernels and variants, from `WGVAE_TEST_KERNEL`, `WGVAE_TEST_VARIANT` and `WGVAE_TEST_PART`.
pub(crate) struct Choose {
    kernel: Option<String>,
    variant: Option<String>,
    part: Option<(usize, usize)>,
}

impl Choose {
    /// Reads the variables.
    ///
    /// # Panics
    /// If the part is not `I/N` with I from 1 to N.
    pub(crate) fn from_environment() -> Self {
        let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let part = named("WGVAE_TEST_PART").map(|text| {
            let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
            let part = numbers.filter(|&(i, n): &(usize, usize)| (1..=n).contains(&i));
            part.unwrap_or_else(|| panic!("--part {text}: must be I/N, I from 1 to N, for example 1/3"))
        });
        Self { kernel: named("WGVAE_TEST_KERNEL"), variant: named("WGVAE_TEST_VARIANT"), part }
    }

    /// Whether the kernel with this name is selected.
    pub(crate) fn kernel(&self, name: &str) -> bool {
        self.kernel.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    /// Whether the configuration or variant with this name is selected.
    pub(crate) fn variant(&self, name: &str) -> bool {
        self.variant.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    /// The selected part of `all`: every N-th, beginning with the I-th.
    pub(crate) fn part<T: Copy>(&self, all: &[T]) -> Vec<T> {
        let (i, n) = self.part.unwrap_or((1, 1));
        all.iter().skip(i - 1).step_by(n).copied().collect()
    }
}

/// The variants of the product's core to test on `target`, for factors of `precision`.
pub(crate) fn variants(target: &Capabilities, precision: Element) -> Vec<Variant> {
    let usual = Tuning::of(target).usual();
    let (common, rare): (Vec<_>, Vec<_>) =
        Variant::all(target, precision).into_iter().partition(|variant| usual.contains(variant));
    let chosen = Choose::from_environment();
    let mut all = match scale() {
        Scale::Usual => common,
        Scale::All => [common, chosen.part(&rare)].concat(),
        Scale::Rest => chosen.part(&rare),
    };
    all.retain(|variant| chosen.variant(&variant.name()));
    all
}

/// Whether the variable `name` is 1.
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}
