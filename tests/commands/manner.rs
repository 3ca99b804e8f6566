//! One manner for all commands: exit codes, `--quiet`, `--json`, `--output`, repeated flags, the name of the checkpoint.

use std::path::Path;
use std::process::Output;

use crate::common;
use crate::common::program::{all_said, refuses, said, text, wgvae};
use crate::outputs::trained;

/// A small model for the commands that have no MODEL.
const TINY: &str = "--size 16 --hidden 2 --latent 3 --batch-size 2";
/// A model that `trained` has made, with checkpoints.
const TRAIN: &str = "--size 16 --hidden 2 --latent 3 --batch-size 4 --seed 1";

fn words(line: &str) -> Vec<String> {
    line.replace("TINY", TINY).replace("TRAIN", TRAIN).split(' ').map(str::to_owned).collect()
}

fn run(at: &Path, line: &str) -> Output {
    wgvae(at, &words(line))
}

/// Codes of docs/commands.md, with a case of every kind. 130 and 141 have tests of their own.
#[test]
fn exit_codes_are_those_of_the_table() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    std::fs::create_dir(at.join("full")).expect("folder");
    std::fs::write(at.join("full/mine.txt"), "mine").expect("file");
    std::fs::write(at.join("mine.png"), "mine").expect("file");
    std::fs::write(at.join("half.safetensors"), "half").expect("file");
    let cases = [
        // done
        ("--help", 0),
        ("--version", 0),
        ("help train", 0),
        ("sample runs/a --count 1 -o one.png", 0),
        ("data check photos", 0),
        ("verify runs/a", 0),
        // a file, a picture, an adapter, or the result of a check
        ("sample none", 1),
        ("verify none", 1),
        ("verify photos", 1),
        ("reconstruct runs/a none.png", 1),
        ("evaluate runs/a none", 1),
        ("encode half.safetensors photos", 1),
        ("data check none", 1),
        ("data check full", 1),
        ("data synth -o mine.png", 1),
        ("sample runs/a -o none/such/x.png", 1),
        ("convert none -o x.safetensors", 1),
        ("export-web none -o page", 1),
        ("train none TRAIN", 1),
        ("train --resume none", 1),
        ("adapters --adapter nothing-like-it", 1),
        ("bench none --size 16", 1),
        // a flag, a value, a missing argument, or a file that only --force replaces
        ("", 2),
        ("nothing", 2),
        ("sample --nothing", 2),
        ("sample runs/a --count 0", 2),
        ("sample runs/a -o mine.png", 2),
        ("sample runs/a -o plain", 2),
        ("sample --prior normal --each-class", 2),
        ("reconstruct runs/a", 2),
        ("traverse runs/a photos photos", 2),
        ("convert runs/a", 2),
        ("convert runs/a -o x.txt", 2),
        ("export-web runs/a", 2),
        ("export-web runs/a -o runs/a", 2),
        ("data synth", 2),
        ("data synth -o full", 2),
        ("data synth -o new --count 0", 2),
        ("bench --cache 3 TINY", 2),
        ("bench --steps 0 TINY", 2),
        ("train --size 100", 2),
        ("train --epochs 0", 2),
        ("train runs/a", 2),
        ("man trian", 2),
        ("man -o full", 0),
    ];
    for (line, code) in cases {
        let output = if line.is_empty() { wgvae::<&str>(at, &[]) } else { run(at, line) };
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "wgvae {line}: {error}");
        assert_eq!(code == 0, !error.contains("error:") && !line.is_empty(), "wgvae {line}: {error}");
    }
}

/// `--quiet` leaves errors, and the data that was asked for.
#[test]
fn quiet_commands_print_data_and_errors_only() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    said(at, &["encode", "runs/a", "photos", "-o", "l.csv"]);
    std::fs::create_dir(at.join("some")).expect("folder");
    std::fs::write(at.join("some/bad.png"), "no picture").expect("file");
    for name in ["0.png", "1.png"] {
        std::fs::copy(at.join("photos").join(name), at.join("some").join(name)).expect("copied");
    }
    let silent = [
        "train photos --name q --epochs 1 TRAIN",
        "train --resume q --epochs 2",
        "sample runs/a --count 2",
        "sample runs/a --count 2 --separate",
        "reconstruct runs/a some",
        "interpolate runs/a photos/0.png photos/1.png --steps 3 --gif",
        "traverse runs/a photos/0.png --dims 2 --steps 3",
        "encode runs/a some",
        "decode runs/a l.csv",
        "fit-prior runs/a photos --components 1",
        "convert runs/a -o c.safetensors",
        "export-web runs/a -o page",
        "data synth -o new --count 2 --size 8",
        "data sheet photos --size 8",
        "man -o pages",
    ];
    for line in silent {
        for line in [format!("{line} --quiet"), format!("-q {line}")] {
            let line = line
                .replace("-q export-web", "-q export-web --force")
                .replace("-q convert", "-q convert --force")
                .replace("-o new", &format!("-o new{}", line.len()));
            let output = run(at, &line);
            let shown = text(&output.stdout) + &text(&output.stderr);
            let again = line.starts_with("-q train photos");
            assert_eq!(output.status.success(), !again, "wgvae {line}: {shown}");
            assert!(again || shown.is_empty(), "wgvae {line}: {shown}");
        }
    }
    for line in [
        "data check photos",
        "plan TINY --limits default",
        "evaluate runs/a photos --no-features",
        "adapters",
    ] {
        let output = run(at, &format!("{line} -q"));
        assert_eq!(
            text(&output.stderr).replace("warning: ", ""),
            text(&output.stderr).replace("warning: ", "")
        );
        assert!(!output.stdout.is_empty() && output.status.success(), "wgvae {line}");
        assert!(!text(&output.stdout).contains("measured on"), "wgvae {line}: {}", text(&output.stdout));
    }
    refuses(at, &words("sample none -q"), 1, &["no such file"]);
}

/// With `--json` standard output is one document; all other output is on standard error.
#[test]
fn results_as_json_are_one_document() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    std::fs::write(at.join("photos/bad.png"), "no picture").expect("file");
    let cases: [(&str, &[&str]); 11] = [
        ("adapters", &["version", "adapters", "taken"]),
        ("selftest --only totals", &["rows", "problems", "ok"]),
        ("bench --steps 1 TINY", &["images_per_second", "plan_bytes"]),
        ("bench photos --steps 1 --size 16", &["pictures", "skipped"]),
        ("profile --steps 1 TINY -o t.json", &["kernels", "totals"]),
        ("plan TINY", &["parameters", "programs", "pipelines", "memory"]),
        ("tune TINY -o tuning.json", &["adapter", "measured", "earlier_results"]),
        ("evaluate runs/a photos --no-features -o r.html", &["pictures", "kl", "measured_on", "model"]),
        ("fit-prior runs/a photos --components 1,2", &["pictures", "candidates", "prior", "flow"]),
        ("data check photos", &["pictures", "splits", "skipped", "obstacle"]),
        ("verify runs/b", &["ok", "checkpoints", "recomputed_steps", "different"]),
    ];
    for (line, keys) in cases {
        let output = run(at, &format!("{line} --json"));
        let (shown, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "wgvae {line}: {error}");
        let document: serde_json::Value =
            serde_json::from_str(&shown).unwrap_or_else(|error| panic!("wgvae {line}: {error}: {shown}"));
        for key in keys {
            assert!(document.get(key).is_some(), "wgvae {line}: {key} is missing in {shown}");
        }
    }
    // a failed check is a document, too
    let broken = at.join("runs/b/checkpoints/epoch_0001/optimizer.safetensors");
    std::fs::write(broken, "damaged").expect("written");
    let output = run(at, "verify runs/b --json");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &document["ok"]), (Some(1), &false.into()));
    assert_eq!(document["damaged"].as_array().map(Vec::len), Some(1), "{document}");
}

/// `--output`, `-o` and the forms of earlier versions name the same file.
#[test]
fn outputs_have_one_flag_and_their_earlier_names() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    let (mut made, mut first) = (0, std::collections::BTreeMap::new());
    let mut same = |lines: &[&str], ending: &str, inside: &str| {
        for line in lines {
            made += 1;
            let out = format!("out{made}{ending}");
            all_said(at, &words(&line.replace("OUT", &out)).iter().map(String::as_str).collect::<Vec<_>>());
            let bytes = std::fs::read(at.join(out).join(inside).components().collect::<std::path::PathBuf>());
            let bytes = bytes.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(*first.entry(lines[0].to_owned()).or_insert_with(|| bytes.clone()) == bytes, "{line}");
        }
    };
    let sample = "sample runs/a --count 2";
    same(
        &[&format!("{sample} -o OUT"), &format!("{sample} --output OUT"), &format!("{sample} --out OUT")],
        ".png",
        "",
    );
    same(&["convert runs/a -o OUT", "convert runs/a OUT", "convert --output OUT runs/a"], ".safetensors", "");
    let synth = "data synth --count 2 --size 8";
    same(&[&format!("{synth} -o OUT"), &format!("{synth} OUT")], "", "factors.csv");
    same(&["man -o OUT", "man OUT"], "", "wgvae-train.1");
    let traverse = "traverse runs/a --dims 2 --steps 3 -o OUT";
    same(&[&format!("{traverse} photos"), &format!("{traverse} --data photos")], ".png", "");
    let both = "traverse runs/a --dims 2 --steps 3 -o OUT photos/1.png";
    same(&[&format!("{both} photos"), &format!("{both} --data photos")], ".png", "");
    let web = "export-web runs/a";
    same(&[&format!("{web} -o OUT"), &format!("{web} OUT")], "", "manifest.json");
    same(
        &[&format!("{web} -o OUT photos"), &format!("{web} photos OUT"), &format!("{web} OUT --data photos")],
        "",
        "manifest.json",
    );
    let report = "evaluate runs/a photos --iwae 1 --samples 4 --no-features";
    said(at, &words(&format!("{report} --html r.html")).iter().map(String::as_str).collect::<Vec<_>>());
    said(at, &words(&format!("{report} -o s.html")).iter().map(String::as_str).collect::<Vec<_>>());
    let profile = "profile --steps 1 TINY";
    said(at, &words(&format!("{profile} --trace t.json")).iter().map(String::as_str).collect::<Vec<_>>());
    said(at, &words(&format!("{profile} -o u.json")).iter().map(String::as_str).collect::<Vec<_>>());
    let loading =
        ["bench photos --size 16 --steps 1 --json", "bench --data photos --size 16 --steps 1 --json"];
    for line in loading {
        assert!(text(&run(at, line).stdout).contains("\"pictures\":6"), "{line}");
    }
    refuses(at, &words("convert runs/a x.safetensors -o y.safetensors"), 2, &["cannot be used with"]);
}

/// Aliases and scripts can set a flag that their user sets again.
#[test]
fn the_last_of_equal_flags_counts() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let plan = "plan --limits default --json --json --preset demo --preset laptop --size 64 --size 32 -q -q";
    let output = run(at, plan);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&document["size"], &document["hidden"]), (&32.into(), &32.into()));
    let sheet = "data sheet --size 4 --size 8 --count 9 --count 4 --seed 1 --seed 2 -o a.png -o b.png --force --force";
    assert!(run(at, sheet).status.success());
    let (width, height) = image::image_dimensions(at.join("b.png")).expect("a picture");
    assert!(!at.join("a.png").exists() && (width, height) == (22, 22), "{width} x {height}");
}

/// Every command that takes MODEL names the checkpoint that it took.
#[test]
fn commands_name_their_checkpoint() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    said(at, &["encode", "runs/a", "photos", "-o", "l.npy"]);
    let checkpoints = at.join("runs/a/checkpoints");
    let copy = |name: &str| {
        std::fs::create_dir(checkpoints.join(name)).expect("folder");
        for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
            let from = checkpoints.join("epoch_0001").join(file);
            std::fs::copy(from, checkpoints.join(name).join(file)).expect("copied");
        }
    };
    copy("epoch_0002");
    copy("epoch_0003");
    std::fs::write(checkpoints.join("best"), "epoch_0001\n").expect("written");
    std::fs::write(checkpoints.join("last"), "epoch_0003\n").expect("written");
    for line in [
        "sample MODEL --count 1 -o o.png",
        "reconstruct MODEL photos/0.png -o o.png --force",
        "interpolate MODEL photos/0.png photos/1.png --steps 2 -o o.png --force",
        "traverse MODEL photos/0.png --dims 1 --steps 2 -o o.png --force",
        "encode MODEL photos -o e.csv --force",
        "decode MODEL l.npy -o d",
        "fit-prior MODEL photos --components 1 -o p.safetensors",
        "evaluate MODEL photos --iwae 1 --samples 4 --no-features",
        "convert MODEL -o c.safetensors --force",
        "export-web MODEL photos -o page",
    ] {
        for (model, named) in [
            ("runs/a", "epoch_0001 (best, epoch 1)"),
            ("runs/a/checkpoints/last", "epoch_0003 (last, epoch 1)"),
            ("runs/a/checkpoints/epoch_0002", "epoch_0002 (epoch 1)"),
        ] {
            let output = run(at, &line.replace("MODEL", model));
            let error = text(&output.stderr);
            assert!(output.status.success(), "{line}: {error}");
            let wanted = format!("model: runs/a/checkpoints/{named}");
            assert_eq!(error.matches(&wanted).count(), 1, "{line}: {error}");
        }
    }
}

/// Screen of a terminal with this number of columns after a command, without breaks of the terminal itself. `None` without
/// the program `script`.
#[cfg(target_os = "linux")]
fn in_terminal(at: &Path, columns: u32, line: &str) -> Option<String> {
    let line = line.replace("TINY", TINY);
    let command = format!("stty cols {columns} rows 24; '{}' {line}", env!("CARGO_BIN_EXE_wgvae"));
    let output = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("WGVAE_CACHE_DIR", at.join(common::program::CACHE))
        .envs([("TERM", "xterm"), ("MANPAGER", "cat"), ("PAGER", "cat")])
        .stdin(std::process::Stdio::null())
        .current_dir(at)
        .output();
    let Ok(output) = output else {
        common::report::left_out("no program `script`");
        return None;
    };
    let mut screen = vt100::Parser::new(2000, 400, 0);
    screen.process(&output.stdout);
    let shown = screen.screen().contents();
    assert!(output.status.success(), "{line}: {shown}");
    Some(shown)
}

/// Lines of results and messages fit the terminal, and of the bars nothing is left.
#[cfg(target_os = "linux")]
#[test]
fn lines_fit_a_terminal_of_60_columns_and_no_bar_stays() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    for line in [
        "adapters",
        "plan TINY",
        "plan --preset laptop",
        "selftest --only totals",
        "profile --steps 1 TINY",
        "bench --steps 1 TINY",
        "tune TINY --verbose",
        "evaluate runs/a photos --iwae 1 --samples 4 --feature-steps 10",
        "data check photos",
        "verify runs/a",
        "sample runs/a --count 1",
        "encode runs/a photos",
        "fit-prior runs/a photos --components 1",
        "train photos --name t --epochs 2 --size 16 --hidden 2 --latent 3 --batch-size 4",
    ] {
        let Some(shown) = in_terminal(at, 60, line) else { return };
        for long in shown.lines().filter(|line| line.chars().count() > 60) {
            // names of files, kernels and adapters have no spaces to break at
            assert!(!long.trim().contains(' '), "{line}: {} columns: {long}", long.chars().count());
        }
        let names = [
            "loading",
            "evaluating",
            "encoding",
            "sampling",
            "reading",
            "recomputing",
            "measuring",
            "tuning",
        ];
        let is_bar = |line: &&str| line.contains("=>") || names.iter().any(|name| line.starts_with(name));
        let left = shown.lines().find(is_bar);
        assert_eq!(left, None, "{line}: {shown}");
    }
}

/// A page opens in the reader of manual pages, and warns of nothing.
#[cfg(target_os = "linux")]
#[test]
fn pages_open() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    said(at, &["man", "-o", "pages"]);
    let man = |page: &Path| {
        let mut command = std::process::Command::new("man");
        command
            .args(["--warnings=w", "-l"])
            .arg(page)
            .envs([("MANPAGER", "cat"), ("MANROFFOPT", "-c")])
            .output()
    };
    for entry in std::fs::read_dir(at.join("pages")).expect("pages") {
        let page = entry.expect("entry").path();
        let Ok(output) = man(&page) else { return common::report::left_out("no program `man`") };
        let (shown, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && error.is_empty(), "{}: {error}", page.display());
        assert!(shown.contains("NAME") && shown.contains("SYNOPSIS"), "{}: {shown}", page.display());
    }
    let Some(shown) = in_terminal(at, 80, "man train") else { return };
    assert!(shown.contains("wgvae-train(1)") && !shown.contains(".SH"), "{shown}");
    let source = said(at, &["man", "train"]);
    assert!(source.contains(".SH SYNOPSIS"), "a file or a pipe gets the source: {source}");
    refuses(at, &["man", "trian"], 2, &["did you mean `wgvae man train`"]);
    refuses(at, &["man", "train", "-o", "x"], 2, &["--output"]);
}
