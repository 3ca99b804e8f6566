//! Output files of every command that writes: what is never written over.

use std::path::{Path, PathBuf};

use wgvae::data;

use crate::common;
use crate::common::program::{refuses, said, text, wgvae};

/// A page of an evaluation; its file follows.
pub(crate) const PAGE: [&str; 9] =
    ["evaluate", "runs/a", "photos", "--iwae", "1", "--samples", "4", "--no-features", "--html"];

/// The file that "wrote FILE" names.
pub(crate) fn wrote(said: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix("wrote ")).unwrap_or_else(|| panic!("{said}"));
    line.split(" (").next().unwrap_or(line).split("; ").next().unwrap_or(line).to_owned()
}

/// A run of one epoch on six pictures in the folder `photos`, and a second one of the same pictures.
pub(crate) fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    for i in 0..6u64 {
        let grid = data::grid(&[data::landscape(8, i, 32).0], 32, 1, 0);
        data::save_png(&grid, &at.join("photos").join(format!("{i}.png"))).expect("written");
    }
    for (name, seed) in [("a", "1"), ("b", "2")] {
        let sizes = ["--size", "16", "--hidden", "2", "--latent", "3", "--epochs", "1", "--batch-size", "4"];
        said(at, &[&["train", "photos", "--name", name, "--seed", seed, "--quiet"], &sizes[..]].concat());
    }
    folder
}

/// Everything in a folder, with its bytes, folders and the cache left out.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("read") {
        let path = entry.expect("entry").path();
        if path.file_name().is_some_and(|name| name == common::program::CACHE) {
            continue;
        }
        match path.symlink_metadata().expect("metadata") {
            found if found.is_dir() => all.extend(contents(&path)),
            found if found.is_file() => all.push((path.clone(), std::fs::read(&path).expect("read"))),
            _ => {}
        }
    }
    all.sort();
    all
}

/// Every command that writes one file, and how that file ends.
const COMMANDS: [(&[&str], &str, &str); 11] = [
    (&["sample", "runs/a", "--count", "4"], "-o", "png"),
    (&["reconstruct", "runs/a", "photos"], "-o", "png"),
    (&["interpolate", "runs/a", "photos/0.png", "photos/1.png", "--steps", "3"], "-o", "png"),
    (&["traverse", "runs/a", "photos/0.png", "--dims", "2", "--steps", "3"], "-o", "png"),
    (&["data", "sheet", "photos", "--size", "16"], "-o", "png"),
    (&["encode", "runs/a", "photos"], "-o", "safetensors"),
    (&["fit-prior", "runs/a", "photos", "--components", "1"], "-o", "safetensors"),
    (&["evaluate", "runs/a", "photos", "--iwae", "1", "--samples", "4", "--no-features"], "--html", "html"),
    (&["convert", "runs/a"], "", "safetensors"),
    (
        &[
            "tune",
            "--size",
            "16",
            "--hidden",
            "2",
            "--latent",
            "2",
            "--batch-size",
            "2",
            "--adapter",
            "no such card",
        ],
        "-o",
        "json",
    ),
    (
        &["profile", "--preset", "demo", "--batch-size", "1", "--steps", "1", "--adapter", "no such card"],
        "--trace",
        "json",
    ),
];

/// The command with its result at `out`.
fn to<'a>(command: &(&[&'a str], &'a str, &str), out: &'a str) -> Vec<&'a str> {
    let (args, flag, _) = command;
    let flag = if flag.is_empty() { &[][..] } else { std::slice::from_ref(flag) };
    [args, flag, &[out]].concat()
}

/// Refused before anything is computed: those with an adapter that does not exist would otherwise name it.
#[test]
fn no_command_writes_over_what_is_not_its_own() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    std::fs::create_dir(at.join("full")).expect("folder");
    for ending in ["png", "safetensors", "html", "json"] {
        std::fs::write(at.join(format!("mine.{ending}")), "mine").expect("file");
        std::fs::create_dir(at.join(format!("folder.{ending}"))).expect("folder");
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            let fifo = at.join(format!("pipe.{ending}"));
            assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
            symlink("/dev/null", at.join(format!("null.{ending}"))).expect("link");
            symlink(format!("mine.{ending}"), at.join(format!("link.{ending}"))).expect("link");
            symlink(format!("round.{ending}"), at.join(format!("round.{ending}"))).expect("link");
        }
    }
    let before = contents(at);
    for command in &COMMANDS {
        let ending = command.2;
        let mut cases = vec![
            (format!("mine.{ending}"), "--force"),
            (format!("folder.{ending}"), "a folder"),
            (format!("none/such/x.{ending}"), "there is no folder"),
            (format!("mine.png/x.{ending}"), "no folder"),
        ];
        #[cfg(unix)]
        cases.extend([
            (format!("link.{ending}"), "--force"),
            (format!("null.{ending}"), "it is a device"),
            (format!("pipe.{ending}"), "it is a pipe"),
            (format!("round.{ending}"), "round in a circle"),
        ]);
        for (out, part) in &cases {
            // 2 where --force would do, 1 where it cannot be
            let code = if *part == "--force" { 2 } else { 1 };
            refuses(at, &to(command, out), code, &[part]);
            if code == 1 {
                refuses(at, &[&to(command, out)[..], &["--force"]].concat(), 1, &[part]);
            }
        }
        for (out, part) in [("plain", "for example"), ("x.tiff", "for example"), ("", "")] {
            let output = wgvae(at, &to(command, out));
            let error = text(&output.stderr);
            let known = error.contains(part) || error.contains(".safetensors");
            assert!(output.status.code() == Some(2) && known, "{command:?} {out:?}: {error}");
        }
    }
    assert!(contents(at) == before, "something was written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let null = std::fs::metadata("/dev/null").expect("/dev/null").file_type();
        assert!(null.is_char_device(), "/dev/null is no device any more");
    }
}

#[test]
fn inputs_and_runs_are_never_written_over() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    let checkpoint = "runs/a/checkpoints/epoch_0001";
    std::fs::copy(at.join(checkpoint).join("model.safetensors"), at.join("alone.safetensors"))
        .expect("copied");
    said(at, &["encode", "runs/a", "photos", "-o", "l.safetensors"]);
    said(at, &["fit-prior", "runs/a", "photos", "--components", "1", "-o", "p.safetensors"]);
    let mut refused: Vec<(Vec<String>, &str)> = Vec::new();
    let mut never = |line: &str, part: &'static str| {
        refused.push((line.split(' ').map(str::to_owned).collect(), part));
    };
    never("reconstruct runs/a photos/0.png -o photos/0.png", "is an input of this command");
    never("reconstruct runs/a photos -o photos/3.png", "is an input of this command");
    never(
        "reconstruct runs/a photos/0.png photos/1.png -o ./photos/../photos/1.png",
        "is an input of this command",
    );
    never("interpolate runs/a photos/0.png photos/1.png -o photos/1.png", "is an input of this command");
    never("traverse runs/a photos/2.png -o photos/2.png", "is an input of this command");
    never("traverse runs/a --data photos -o photos/2.png", "is an input of this command");
    never("data sheet photos -o photos/2.png", "is an input of this command");
    never("convert alone.safetensors alone.safetensors", "is an input of this command");
    never("encode alone.safetensors photos -o alone.safetensors", "is an input of this command");
    never("fit-prior alone.safetensors photos -o alone.safetensors", "is an input of this command");
    never("sample runs/a --prior p.safetensors -o p.safetensors", "for example");
    let mut never = |line: String, part: &'static str| {
        refused.push((line.split(' ').map(str::to_owned).collect(), part));
    };
    for run in ["a", "b"] {
        for file in ["model", "optimizer"] {
            let path = format!("runs/{run}/checkpoints/epoch_0001/{file}.safetensors");
            never(format!("encode runs/a photos -o {path}"), "belongs to the run");
            never(format!("fit-prior runs/a photos -o {path}"), "belongs to the run");
            never(format!("convert alone.safetensors {path}"), "belongs to the run");
        }
        never(format!("tune --preset demo -o runs/{run}/tuning.json"), "belongs to the run");
        never(format!("sample runs/a -o runs/{run}/samples/sample_epoch_0001.png"), "belongs to the run");
        never(format!("decode runs/a l.safetensors -o runs/{run}"), "belongs to the run");
        never(format!("sample runs/a --separate -o runs/{run}/checkpoints"), "belongs to the run");
        never(format!("export-web runs/a runs/{run}/checkpoints/epoch_0001"), "belongs to the run");
    }
    never("reconstruct runs/a photos --separate -o photos".into(), "is an input of this command");
    std::fs::remove_file(at.join("runs/b/tuning.json")).expect("removed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        std::fs::hard_link(at.join("photos/4.png"), at.join("hard.png")).expect("link");
        symlink("photos/4.png", at.join("soft.png")).expect("link");
        let model = at.join(checkpoint).join("model.safetensors");
        std::fs::hard_link(model, at.join("hard.safetensors")).expect("link");
        symlink(checkpoint, at.join("way")).expect("link");
        never("reconstruct runs/a photos -o hard.png".into(), "is the same file as");
        never("reconstruct runs/a photos/4.png -o soft.png".into(), "is an input of this command");
        never("encode runs/a photos -o hard.safetensors".into(), "is the same file as");
        never("convert alone.safetensors way/model.safetensors".into(), "belongs to the run");
    }
    let before = contents(at);
    for (args, part) in &refused {
        refuses(at, args, 2, &[part]);
        let forced = [&args[..], &["--force".to_owned()]].concat();
        refuses(at, &forced, 2, &[part]);
    }
    assert!(contents(at) == before, "something was written");
    // other names are free, also if the run's folder is the working folder
    let run = at.join("runs/a");
    let [first, second] = [0; 2].map(|_| wrote(&said(&run, &["sample", ".", "--count", "2"])));
    assert_eq!(first, second);
    let [first, second] = [0; 2].map(|_| wrote(&said(&run, &["sample", ".", "--count", "2", "--separate"])));
    assert_eq!(first, second);
    let page = [&PAGE[..], &["photos/r.html"]].concat();
    said(at, &page);
    said(at, &page);
    said(at, &["sample", "runs/a", "-o", "runs/a/mine.png"]);
    said(at, &["sample", "runs/a", "-o", "runs/a/mine.png"]);
    for _ in 0..2 {
        said(at, &["fit-prior", "runs/a", "photos", "--components", "1"]);
        said(at, &["fit-prior", checkpoint, "photos", "--components", "1"]);
    }
}
