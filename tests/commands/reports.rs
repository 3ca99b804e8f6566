//! The two commands whose output is part of a bug report: `wgvae adapters` and `wgvae selftest`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use wgvae::gpu::Element;
use wgvae::ops::{gemm::variant::Variant, testing::cases};

use crate::common::program::{refuses, text, wgvae};
use crate::common::{self, at_scale};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", text(bytes)))
}

#[test]
fn adapters_say_what_they_can_do_and_which_is_taken() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let output = wgvae(at, &["adapters", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document = json(&output.stdout);
    let all = document["adapters"].as_array().expect("adapters");
    let ours =
        all.iter().find(|one| one["describe"] == adapter.describe().as_str()).expect("the adapter here");
    let target = adapter.capabilities();
    assert_eq!(ours["limits"]["max_storage_buffer_binding_size"], target.binding_bytes);
    assert_eq!(ours["limits"]["max_buffer_size"], target.buffer_bytes);
    assert!(ours["limits"]["min_storage_buffer_offset_alignment"].as_u64() > Some(0), "{ours}");
    assert_eq!((&ours["f16"], &ours["software"]), (&target.f16.into(), &target.software.into()));
    assert_eq!(ours["timestamps"], adapter.has_timestamps());
    assert_eq!(ours["subgroup_variants"], Variant::subgroup(&target, 1, 1).is_some());
    let has = |name: &str| ours["features"].as_array().expect("features").iter().any(|one| one == name);
    assert_eq!(has("SHADER_F16"), target.f16);
    for kind in ["high-performance", "low-power", "software"] {
        let index = &document["taken_by_kind"][kind];
        let taken = json(&wgvae(at, &["adapters", "--json", "--adapter", kind]).stdout);
        assert_eq!(&taken["taken"], index, "{kind}");
        if kind == "software" {
            let is_software = |one: &Value| one["software"] == true;
            assert_eq!(index.is_null(), !all.iter().any(is_software), "{document}");
            assert!(index.as_u64().is_none_or(|index| is_software(&all[index as usize])), "{document}");
        }
    }
    let listed = text(&wgvae(at, &["adapters"]).stdout);
    for part in
        ["wgvae 0", "commit", "shaders", std::env::consts::ARCH, "training in f16: ", "offset alignment"]
    {
        assert!(listed.contains(part), "{part:?} is missing in: {listed}");
    }
    assert_eq!(
        listed.lines().filter(|line| line.starts_with("* ")).count(),
        2,
        "one adapter, and the legend"
    );
    let last = all.len();
    refuses(at, &["adapters", "--adapter", &last.to_string()], 1, &["no adapter number", "there are:"]);
    // words in any case; a number that is no place is a part of a name
    let taken =
        |asked: &str| json(&wgvae(at, &["adapters", "--json", "--adapter", asked]).stdout)["taken"].clone();
    assert_eq!(taken("HIGH-Performance"), document["taken_by_kind"]["high-performance"]);
    assert_eq!(taken("Software"), document["taken_by_kind"]["software"]);
    let digits =
        |name: &str| name.split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect::<Vec<_>>();
    for (index, one) in all.iter().enumerate() {
        let name = one["name"].as_str().expect("a name");
        for number in digits(name).iter().filter(|number| number.len() > 2 && !number.starts_with('0')) {
            let first = all
                .iter()
                .position(|other| other["name"].as_str().is_some_and(|n| n.contains(number.as_str())));
            assert_eq!(taken(number), first.unwrap_or(index), "{number} of {name}");
        }
    }
    refuses(
        at,
        &["adapters", "--adapter", "98765"],
        1,
        &["98765", "nor one with that in its name", "there are:"],
    );
    for command in ["adapters", "train", "plan"] {
        refuses(at, &[command, "--adapter", ""], 2, &["--adapter \"\"", "high-performance"]);
    }
    assert!(wgvae(at, &["adapters", "--backend", "Vulkan"]).status.success() || !cfg!(target_os = "linux"));
}

/// Without an adapter it is the variables that a report is about.
#[cfg(target_os = "linux")]
#[test]
fn variables_that_hide_adapters_are_named() {
    let folder = tempfile::tempdir().expect("folder");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
        command.args(args).current_dir(folder.path()).env("WGPU_ODD", "a\u{1b}[31m");
        let gone = "/nonexistent.json";
        command.env("VK_DRIVER_FILES", gone).env("VK_ICD_FILENAMES", gone).output().expect("wgvae runs")
    };
    let output = run(&["adapters", "--backend", "vulkan"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no GPU adapter found"), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for part in
        ["VK_DRIVER_FILES=/nonexistent.json", "WGPU_ODD=a\\u{1b}[31m", "software         selects none"]
    {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    let document = json(&run(&["adapters", "--backend", "vulkan", "--json"]).stdout);
    assert_eq!(document["environment"]["VK_ICD_FILENAMES"], "/nonexistent.json");
    assert_eq!(document["adapters"], Value::Array(Vec::new()));
}

/// The number of threads that the program sets for llvmpipe, unless the user has set it.
#[cfg(target_os = "linux")]
#[test]
fn software_adapters_get_more_threads_than_cores() {
    let folder = tempfile::tempdir().expect("folder");
    let threads = |set: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
        command.args(["adapters", "--json"]).current_dir(folder.path()).env_remove("LP_NUM_THREADS");
        let output = command.envs(set.map(|count| ("LP_NUM_THREADS", count))).output().expect("wgvae runs");
        json(&output.stdout)["environment"]["LP_NUM_THREADS"].clone()
    };
    let cores = std::thread::available_parallelism().expect("cores").get();
    let twice = if (2..=8).contains(&cores) { Value::from((2 * cores).to_string()) } else { Value::Null };
    assert_eq!(threads(None), twice);
    assert_eq!(threads(Some("1")), "1");
}

/// On servers and in containers there is no desktop that Mesa could ask.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_said_of_a_desktop_that_is_not_there() {
    let folder = tempfile::tempdir().expect("folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgvae"));
    command.arg("adapters").current_dir(folder.path());
    let output = command.env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT").output();
    let output = output.expect("wgvae runs");
    assert!(!text(&output.stderr).contains("XDG_RUNTIME_DIR"), "{}", text(&output.stderr));
}

/// A row for every kernel, and for the products one for every core. In the usual run for the plain core only, because
/// the same cases are compared in the group of kernels.
#[test]
fn selftest_has_a_row_for_every_kernel_and_form() {
    let Some(adapter) = common::adapter() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let plain = Variant::PLAIN.name();
    let only = ["--only", plain.as_str()];
    let chosen: &[&str] = at_scale(&only, &[]);
    let output = wgvae(folder.path(), &[&["selftest", "--json"], chosen].concat());
    let document = json(&output.stdout);
    assert!(output.status.success(), "{}\n{}", document["problems"], text(&output.stderr));
    for field in ["version", "commit", "adapter", "driver", "shaders", "os", "arch"] {
        assert!(document[field].as_str().is_some_and(|said| !said.is_empty()), "{field}: {document}");
    }
    let rows = document["rows"].as_array().expect("rows");
    let said = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
    // the group of contracts holds the table of cases to the files of kernels
    let asked = |form: &str| chosen.is_empty() || form == plain;
    let cases = cases::cases(&adapter.capabilities(), false);
    for case in &cases {
        // the columns of the table, which has to fit 100
        let kernel = format!("{}{}", case.op.kernel().name, if case.is_half() { " f16" } else { "" });
        assert!(kernel.len() <= 26 && case.config.chars().count() <= 42, "{kernel} {}", case.config);
    }
    let kernels = cases.iter().filter(|case| asked(&case.config)).map(|case| case.op.kernel().name);
    let kernels: BTreeSet<_> = kernels.collect();
    assert!(kernels.len() >= 6, "{kernels:?}");
    for kernel in kernels {
        assert!(rows.iter().any(|row| said(row, "kernel") == kernel), "{kernel} has no row");
    }
    for product in [
        "conv2d",
        "conv2d_transpose",
        "conv2d_weight_grad",
        "linear",
        "linear_input_grad",
        "linear_weight_grad",
    ] {
        let kernels = [(product.to_owned(), Element::F32), (format!("{product} f16"), Element::F16)];
        for (kernel, precision) in &kernels[..if adapter.capabilities().f16 { 2 } else { 1 }] {
            let variants = Variant::all(&adapter.capabilities(), *precision).into_iter();
            for variant in variants.filter(|variant| asked(&variant.name())) {
                let is = |row: &Value| said(row, "kernel") == *kernel && said(row, "form") == variant.name();
                assert!(rows.iter().any(is), "{kernel} by {} has no row", variant.name());
            }
        }
    }
    for row in rows {
        assert!(row["cases"].as_u64() > Some(0) && row["verdict"] == "ok", "{row}");
        assert!(row["worst"].as_f64().is_some_and(|worst| worst <= 1.0), "{row}");
        assert_eq!(row["gpu_ms"].is_number(), adapter.has_timestamps(), "{row}");
    }
    let ms: f64 = rows.iter().filter_map(|row| row["gpu_ms"].as_f64()).sum();
    assert!(ms > 0.0 || !adapter.has_timestamps(), "no kernel took any time");

    let some = json(&wgvae(folder.path(), &["selftest", "--json", "--only", "mmd"]).stdout);
    let some: BTreeSet<String> =
        some["rows"].as_array().expect("rows").iter().map(|row| said(row, "kernel")).collect();
    assert_eq!(some, ["mmd", "mmd_total"].map(str::to_owned).into());
    refuses(folder.path(), &["selftest", "--only", "no such kernel"], 2, &["--only no such kernel", "name"]);
}
