//! The program as a user meets it: what it says to bad input, and the way from pictures to samples.

use std::path::Path;
use std::process::Command;

use crate::common;
use crate::common::program::{CACHE, refuses, text, wgvae};

#[test]
fn wrong_settings_are_named_and_exit_with_2() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let cases: [(&[&str], &str); 15] = [
        (&["train", "--size", "100"], "multiple of 16"),
        (&["train", "--size", "0"], "multiple of 16"),
        (&["train", "--batch-size", "0"], "--batch-size 0"),
        (&["train", "--beta", "-1"], "--beta -1"),
        (&["train", "--lr", "nan"], "--lr NaN"),
        (&["train", "--lr", "0"], "--lr 0"),
        (&["train", "--epochs", "0"], "--epochs 0"),
        (&["train", "--micro-batch", "many"], "'many' for '--micro-batch"),
        (&["train", "--backend", "glide"], "no back end is called"),
        (&["train", "--name", "../up"], "without slashes"),
        (&["plan", "--hidden", "0", "--limits", "default"], "--hidden 0"),
        (
            &["plan", "--size", "1024", "--latent", "1024", "--limits", "default"],
            "kernels index with 32 bits",
        ),
        (
            &["plan", "--batch-size", "4096", "--micro-batch", "4096", "--limits", "default"],
            "--micro-batch 4096",
        ),
        (&["bench", "--batch-size", "70000"], "--batch-size 70000"),
        (&["profile", "--steps", "0"], "--steps 0"),
    ];
    for (args, part) in cases {
        refuses(at, args, 2, &[part]);
    }
    std::fs::write(at.join("c.toml"), "epochss = 3\n").expect("config");
    refuses(at, &["train", "--config", "c.toml"], 2, &["c.toml", "epochss"]);
    refuses(at, &["train", "--resume"], 2, &["no run in runs"]);
    refuses(at, &["tra1n"], 2, &["tra1n"]);
    let left: Vec<_> = std::fs::read_dir(at).expect("read").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left, ["c.toml"], "a refused command leaves nothing behind");
}

#[test]
fn a_back_end_that_is_not_compiled_in_is_said_so() {
    let folder = tempfile::tempdir().expect("folder");
    refuses(folder.path(), &["train", "--backend", "gl"], 2, &["gl is not compiled into this binary"]);
}

#[test]
fn without_an_adapter_the_program_says_what_to_install() {
    let folder = tempfile::tempdir().expect("folder");
    let output = Command::new(env!("CARGO_BIN_EXE_wgvae"))
        .args(["train", "--backend", "vulkan"])
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .env("WGVAE_CACHE_DIR", folder.path().join(CACHE))
        .current_dir(folder.path())
        .output()
        .expect("wgvae runs");
    if cfg!(target_os = "linux") {
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("no GPU adapter found") && error.contains("mesa-vulkan-drivers"), "{error}");
    }
}

#[test]
fn wrong_data_and_models_are_named_and_exit_with_1() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir(at.join("empty")).expect("folder");
    std::fs::create_dir(at.join("bad")).expect("folder");
    for i in 0..3 {
        std::fs::write(at.join(format!("bad/{i}.jpg")), b"no picture").expect("file");
    }
    std::fs::write(at.join("model.safetensors"), b"no model").expect("file");
    refuses(at, &["train", "missing"], 1, &["missing"]);
    refuses(at, &["train", "model.safetensors"], 1, &["model.safetensors"]);
    refuses(at, &["train", "empty"], 1, &["empty", "no pictures"]);
    refuses(at, &["train", "bad"], 1, &["bad", "0.jpg"]);
    refuses(at, &["train", "--adapter", "no such card"], 1, &["no such card", "there are:", "0  "]);
    refuses(at, &["sample", "missing"], 1, &["missing", "no such file"]);
    refuses(at, &["sample", "model.safetensors"], 1, &["model.safetensors", "safetensors file"]);
    refuses(at, &["sample", "empty"], 1, &["empty", "no checkpoints"]);
    let args = ["train", "--landscapes", "4", "--runs", "model.safetensors/runs"];
    refuses(at, &args, 1, &["cannot create", "model.safetensors"]);
}

const TINY: [&str; 17] = [
    "train",
    "--landscapes",
    "20",
    "--size",
    "16",
    "--hidden",
    "4",
    "--latent",
    "4",
    "--batch-size",
    "8",
    "--epochs",
    "1",
    "--name",
    "a",
    "--seed",
    "3",
];

#[test]
fn from_pictures_to_samples() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let output = wgvae(at, &TINY);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in ["adapter", "parameters", "19 for training, 1 for validation", "epoch 1/1", "wrote samples"] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    let run = at.join("runs/a");
    for file in ["config.toml", "metrics.jsonl", "checkpoints/epoch_0001/model.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    for file in ["a_sample_epoch_0001.png", "a_reconstruction_epoch_0001.png"] {
        assert!(at.join("samples").join(file).is_file(), "{file}");
    }

    // one seed gives one set of pictures, another seed other ones; a run, its checkpoint and its file are one MODEL
    let sample = |model: &str, seed: &str, out: &str| {
        let output = wgvae(at, &["sample", model, "--seed", seed, "--out", out]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read(at.join(out)).expect(out)
    };
    let one = sample("runs/a", "7", "1.png");
    assert!(one == sample("runs/a/checkpoints/epoch_0001", "7", "2.png"));
    assert!(one == sample("runs/a/checkpoints/epoch_0001/model.safetensors", "7", "3.png"));
    assert!(one != sample("runs/a", "8", "4.png"));

    refuses(at, &TINY, 2, &["is there already", "--resume"]);
    refuses(
        at,
        &["train", "--resume", "--name", "a", "--hidden", "8", "--epochs", "2"],
        1,
        &["--hidden 4", "--hidden 8"],
    );
    damaged(at, &run);
    // the data may change where that is meant, and it is said
    let args = ["train", "--resume", "--name", "a", "--epochs", "3", "--landscapes", "24"];
    refuses(at, &args, 1, &["other training pictures", "--new-data"]);
    let output = wgvae(at, &[&args[..], &["--new-data"]].concat());
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(shown.contains("continues with the new ones"), "{shown}");
}

/// A truncated model, a model for another shape, and a last checkpoint that is broken.
fn damaged(at: &Path, run: &Path) {
    let model = run.join("checkpoints/epoch_0001/model.safetensors");
    let bytes = std::fs::read(&model).expect("model");
    std::fs::write(at.join("half.safetensors"), &bytes[..bytes.len() / 2]).expect("half");
    refuses(at, &["sample", "half.safetensors"], 1, &["half.safetensors", "truncated"]);
    let mut other = bytes.clone();
    let name = other.windows(16).position(|w| w == b"encoder.2.weight").expect("name");
    other[name..name + 16].copy_from_slice(b"encoder.9.weight");
    std::fs::write(at.join("other.safetensors"), &other).expect("other");
    refuses(at, &["sample", "other.safetensors"], 1, &["has no tensor encoder.2.weight"]);

    let second = run.join("checkpoints/epoch_0002");
    std::fs::create_dir(&second).expect("folder");
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
        let bytes = std::fs::read(run.join("checkpoints/epoch_0001").join(file)).expect(file);
        let text = String::from_utf8_lossy(&bytes).replace("\"step\": 3", "\"step\": 9");
        let bytes = if file == "state.json" { text.into_bytes() } else { bytes };
        let half = if file == "model.safetensors" { bytes.len() / 2 } else { bytes.len() };
        std::fs::write(second.join(file), &bytes[..half]).expect(file);
    }
    let output = wgvae(at, &["train", "--resume", "--name", "a", "--epochs", "2"]);
    let (shown, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{error}");
    assert!(error.contains("passed over") && error.contains("epoch_0002"), "{error}");
    assert!(shown.contains("epoch_0001 (step 3)") && shown.contains("epoch 2/2"), "{shown}");
}

/// A file-size limit replaces the full disk: the write fails in the middle of a checkpoint.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let output = wgvae(at, &TINY);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let model = at.join("runs/a/checkpoints/epoch_0001/model.safetensors");
    let before = std::fs::read(&model).expect("model");
    let limit = before.len() / 1024 / 2;
    // the shell ignores SIGXFSZ and so does its child, whose write then fails
    let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" train --resume --name a --epochs 2");
    let output = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_wgvae")])
        .env("MESA_SHADER_CACHE_DISABLE", "true") // its own files are limited too
        .env("WGVAE_CACHE_DIR", at.join(CACHE))
        .current_dir(at)
        .output()
        .expect("bash");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot write") && error.contains("model.safetensors"), "{error}");
    assert!(std::fs::read(&model).expect("model") == before, "the last good checkpoint has changed");
    let names = std::fs::read_dir(at.join("runs/a/checkpoints")).expect("read");
    let names: Vec<String> =
        names.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.contains("epoch_0002")), "half a checkpoint is left: {names:?}");
    let output = wgvae(at, &["sample", "runs/a"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// `wgvae profile` of a small model with further `args`; what it prints.
fn profile(at: &Path, args: &[&str]) -> String {
    let sizes = ["profile", "--preset", "demo", "--batch-size", "2", "--micro-batch", "1", "--steps", "1"];
    let output = wgvae(at, &[&sizes, args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_profile_adds_up_and_its_trace_parses() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let shown = profile(at, &["--json", "--trace", "t.json"]);
    let report: serde_json::Value = serde_json::from_str(&shown).expect("one JSON document");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {report}"));
    let totals = &report["totals"];
    for list in ["labels", "kernels"] {
        let rows = report[list].as_array().expect(list);
        let sum = |field: &str| rows.iter().map(|row| number(&row[field])).sum::<f64>();
        assert!((sum("ms") - number(&totals["device_ms"])).abs() < 1e-6, "{list}: {shown}");
        assert!((sum("share") - 1.0).abs() < 1e-6, "{list}: {shown}");
        let counted = number(&totals["dispatches"]) + number(&totals["clears_and_copies"]);
        assert_eq!(sum("calls"), counted - number(&totals["untimed"]), "{list}");
        for row in rows {
            let share = number(&row["gflops"]) / number(&report["ceilings"]["fma_gflops"]);
            assert!((number(&row["of_fma_ceiling"]) - share).abs() < 1e-9, "{row}");
            if row["kernel"] == "clear" || row["kernel"] == "copy" {
                assert!(row["of_copy_ceiling"].is_null(), "no kernel: {row}");
                continue;
            }
            let share = number(&row["gbps"]) / number(&report["ceilings"]["copy_gbps"]);
            assert!((number(&row["of_copy_ceiling"]) - share).abs() < 1e-9, "{row}");
        }
    }
    for field in ["step_ms", "timed_step_ms", "submits", "pipelines"] {
        assert!(number(&totals[field]) > 0.0, "{field}: {shown}");
    }
    assert_eq!((number(&report["batch"]), number(&report["micro_batch"])), (2.0, 1.0));

    let trace = std::fs::read_to_string(at.join("t.json")).expect("t.json");
    let trace: serde_json::Value = serde_json::from_str(&trace).expect("a trace of JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let dispatches = events.iter().filter(|e| e["ph"] == "X" && e["args"]["flops"].is_u64()).count();
    let counted = number(&totals["dispatches"]) + number(&totals["clears_and_copies"]);
    assert_eq!(dispatches as f64, counted - number(&totals["untimed"]));

    refuses(
        at,
        &["profile", "--preset", "demo", "--batch-size", "1", "--steps", "1", "--trace", "no/t.json"],
        1,
        &["cannot write no/t.json", "there is no folder no"],
    );
}

#[test]
fn a_profile_by_the_hosts_clock_says_so_and_fits_the_terminal() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let shown = profile(folder.path(), &["--host-clock"]);
    for part in [
        "one submit and one wait per dispatch",
        "encoder.0 forward",
        "conv2d_weight_grad",
        "% FMA",
        " clears and copies",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    // the adapter's line is as long as its name
    for line in shown.lines().skip(1) {
        assert!(line.chars().count() <= 110, "{} columns: {line}", line.chars().count());
    }
}

/// The output of `bench --data set --json`.
fn bench_data(at: &Path, more: &[&str]) -> serde_json::Value {
    let args = ["bench", "--data", "set", "--size", "16", "--batch-size", "8", "--steps", "6", "--json"];
    // a driver that does not exist: no adapter may be opened
    let output = Command::new(env!("CARGO_BIN_EXE_wgvae"))
        .args(args.iter().chain(more))
        .envs([("VK_DRIVER_FILES", "/nonexistent.json"), ("VK_ICD_FILENAMES", "/nonexistent.json")])
        .env("WGVAE_CACHE_DIR", at.join(CACHE))
        .current_dir(at)
        .output()
        .expect("wgvae runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1, "{}", text(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

#[test]
fn bench_data_measures_the_loader_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(wgvae(at, &["data", "synth", "set", "--count", "20", "--size", "24"]).status.success());
    std::fs::write(at.join("set/Training Data/none.jpg"), b"no picture").expect("file");
    let counts = |line: &serde_json::Value| {
        ["pictures", "skipped", "from_cache", "decoded", "images"].map(|key| line[key].as_u64().expect(key))
    };
    let none = bench_data(at, &["--no-cache"]);
    assert_eq!(counts(&none), [20, 1, 0, 20, 48]);
    assert!(!at.join(CACHE).exists(), "--no-cache has written");
    let cold = bench_data(at, &[]);
    assert_eq!(counts(&cold), [20, 1, 0, 20, 48]);
    assert!(cold["decoded_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{cold}");
    let warm = bench_data(at, &["--cache", "0"]);
    assert_eq!((counts(&warm), &warm["in_memory"]), ([20, 1, 20, 0, 48], &0.into()));
    assert!(warm["decoded_per_second"].is_null() && warm["mib_per_second"].as_f64() > Some(0.0), "{warm}");
    let shown = text(&wgvae(at, &["bench", "--data", "set", "--size", "16"]).stdout);
    assert!(
        shown.contains("20 pictures at 16 px, 1 skipped") && shown.contains("20 from the cache"),
        "{shown}"
    );
    refuses(at, &["bench", "--no-cache"], 2, &["DATA"]);
    refuses(at, &["bench", "--data", "missing"], 1, &["missing"]);
}

/// A file-size limit replaces the full disk: a cache that cannot be written is a note.
#[cfg(unix)]
#[test]
fn a_full_disk_costs_only_the_cache() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(wgvae(at, &["data", "synth", "set", "--count", "20", "--size", "24"]).status.success());
    let script =
        "trap '' XFSZ; ulimit -f 8; exec \"$0\" bench --data set --size 32 --cache 0 --batch-size 8 --json";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_wgvae")])
        .env("WGVAE_CACHE_DIR", at.join(CACHE))
        .current_dir(at)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert!(line["note"].as_str().is_some_and(|note| note.contains("cannot write")), "{line}");
    assert_eq!(line["images"], 40, "the pictures are there all the same");
    let left = std::fs::read_dir(at.join(CACHE).join("pictures")).expect("cache").count();
    assert_eq!(left, 0, "half a file is left");
}

/// A run keeps the forms of its kernels, and a run that is given them computes the same bits.
#[test]
fn a_run_can_be_replayed_by_its_tuning_file() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let train = |name: &str, more: &[&str]| {
        let sizes = ["train", "--landscapes", "20", "--size", "16", "--hidden", "4", "--latent", "4"];
        let rest = ["--batch-size", "5", "--epochs", "1", "--quiet", "--name", name];
        let output = wgvae(at, &[&sizes[..], &rest, more].concat());
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let model = format!("runs/{name}/checkpoints/epoch_0001/model.safetensors");
        let tuning = at.join(format!("runs/{name}/tuning.json"));
        (std::fs::read(at.join(model)).expect("a model"), std::fs::read_to_string(tuning).expect("its forms"))
    };
    let (model, forms) = train("first", &["--no-tune"]);
    // other forms than the defaults: the plain ones
    let mut file: serde_json::Value = serde_json::from_str(&forms).expect("JSON");
    let plain = serde_json::json!({ "threads": [8, 8], "thread_tile": [2, 2], "depth": 16, "buffers": 1 });
    for (_, config) in file["configs"].as_object_mut().expect("configurations") {
        if let Some(product) = config.get_mut("product") {
            *product = serde_json::json!({ "variant": { "tile": plain }, "splits": 1 });
        }
    }
    std::fs::write(at.join("plain.json"), file.to_string()).expect("written");
    let (other, kept) = train("plain", &["--tuning", "plain.json"]);
    assert_ne!(other, model, "another core adds in another order");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&kept).expect("JSON"), file, "the run keeps them");
    assert_eq!(train("again", &["--tuning", "runs/plain/tuning.json"]).0, other);

    std::fs::write(at.join("bad.json"), "{}").expect("written");
    refuses(at, &["train", "--tuning", "bad.json"], 2, &["bad.json", "not a table of forms"]);
    refuses(at, &["train", "--tuning", "none.json"], 1, &["cannot read none.json"]);
    refuses(at, &["train", "--tuning", "plain.json", "--no-tune"], 2, &["cannot be used with"]);
    std::fs::write(at.join("odd.json"), forms.replace("\"splits\": 1", "\"splits\": 0")).expect("written");
    refuses(at, &["train", "--tuning", "odd.json"], 2, &["odd.json", "cannot run"]);
}
