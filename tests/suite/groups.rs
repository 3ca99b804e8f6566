//! The test groups: their programs, adapters and scales.

/// A group of tests.
pub(crate) struct Group {
    /// name for `--group`
    pub(crate) name: &'static str,
    /// test programs of the group; empty if cargo itself runs the documentation's examples
    pub(crate) programs: &'static [&'static str],
    /// whether it also runs on SwiftShader, a second software adapter with subgroups of 4 instead of Mesa's 8
    pub(crate) second_adapter: bool,
    /// short description of what it checks
    pub(crate) what: &'static str,
    /// additional tests of a full run; empty if the usual run is complete
    pub(crate) more: &'static str,
    /// parts of test names: of those in the usual run, of those in a full run, and of those that do more work in a full
    /// run; empty means every test
    pub(crate) usual: &'static [&'static str],
    pub(crate) all: &'static [&'static str],
    pub(crate) rest: &'static [&'static str],
}

/// A group whose usual run is complete.
const fn group(name: &'static str, programs: &'static [&'static str], what: &'static str) -> Group {
    Group { name, programs, second_adapter: false, what, more: "", usual: &[], all: &[], rest: &[] }
}

/// All groups in the order in which they run: quick ones that need no adapter first.
pub(crate) const GROUPS: [Group; 14] = [
    group("contracts", &["contracts"], "every kernel's WGSL without a GPU; the layers of the source tree"),
    group("unit", &["wgvae"], "tests beside the code they test: priors, schedules, event files"),
    group("numerics", &["numerics"], "twins against finite differences; metrics against scikit-image"),
    group("data", &["data"], "pictures: finding, decoding, resizing, caching, batching"),
    group("checkpoints", &["checkpoints"], "model files, PyTorch's and ours"),
    group("hostile", &["hostile"], "damaged pictures and models: refused or read"),
    Group {
        more: "every variant of the product's core; sizes that take seconds",
        rest: &["every_kernel_agrees", "taps_beyond"],
        ..group("kernels", &["kernels"], "every kernel, plain and by default, against its CPU twin")
    },
    Group {
        more: "every variant",
        rest: &["every_variant"],
        ..group("golden", &["golden"], "PyTorch's values for every tensor, gradient and step")
    },
    group("training", &["training"], "reproducible bits, micro-batches, objectives, exact resume, advice"),
    Group {
        more: "five times as many kills",
        rest: &["killed_at_any_instant", "an_interrupted_training"],
        ..group("faults", &["faults"], "kills, interrupts, full disks: a run ends as if undisturbed")
    },
    Group {
        more: "selftest of every configuration",
        rest: &["selftest_has_a_row"],
        ..group("commands", &["commands", "mpi"], "every command: its files, and its errors for bad input")
    },
    group("web", &["web"], "the page in a headless Chromium against the program"),
    group("doc", &[], "the examples in the documentation"),
    Group {
        second_adapter: true,
        more: "every variant on SwiftShader, and all golden values",
        usual: &["every_kernel_agrees", "the_adapter_"],
        all: &["twins::", "the_adapter_", "every_variant", "the_twins"],
        rest: &["twins::", "the_adapter_", "every_variant"],
        ..group(
            "swiftshader",
            &["kernels", "golden"],
            "a kernel of each kind and golden values on SwiftShader",
        )
    },
];
