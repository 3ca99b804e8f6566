//! The groups of tests: which programs each of them runs, on which adapter, and what the scales mean for it.

/// A group of tests.
pub(crate) struct Group {
    /// how `--group` calls it
    pub(crate) name: &'static str,
    /// the test programs that it runs; none where cargo itself runs the examples of the documentation
    pub(crate) programs: &'static [&'static str],
    /// on SwiftShader, a second software adapter whose subgroups are 4 wide where Mesa's are 8
    pub(crate) second_adapter: bool,
    /// what it proves, in a few words
    pub(crate) what: &'static str,
    /// what a run of everything has besides; empty where the usual run is all of it
    pub(crate) more: &'static str,
    /// parts of the names of tests: of those in the usual run, of those in one of everything, and of those that have
    /// more to do there than in the usual one; empty means every test
    pub(crate) usual: &'static [&'static str],
    pub(crate) all: &'static [&'static str],
    pub(crate) rest: &'static [&'static str],
}

/// A group whose usual run is all of it.
const fn group(name: &'static str, programs: &'static [&'static str], what: &'static str) -> Group {
    Group { name, programs, second_adapter: false, what, more: "", usual: &[], all: &[], rest: &[] }
}

/// Every group, in the order in which they run: quick ones that need no adapter first.
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
    group("training", &["training"], "same bits, micro-batches, objectives, exact resume, advice"),
    Group {
        more: "five times as many kills",
        rest: &["killed_at_any_instant", "an_interrupted_training"],
        ..group("faults", &["faults"], "killed, interrupted, out of disk: a run ends as if undisturbed")
    },
    Group {
        more: "selftest of every form",
        rest: &["selftest_has_a_row"],
        ..group("commands", &["commands"], "every command, what it writes, what it says to bad input")
    },
    group("web", &["web"], "the page in a headless Chromium against the program"),
    group("doc", &[], "the examples in the documentation"),
    Group {
        second_adapter: true,
        more: "every variant there, and golden values in full",
        usual: &["every_kernel_agrees", "the_adapter_"],
        all: &["twins::", "the_adapter_", "every_variant", "the_twins"],
        rest: &["twins::", "the_adapter_", "every_variant"],
        ..group("swiftshader", &["kernels", "golden"], "a kernel of each kind and golden values there")
    },
];
