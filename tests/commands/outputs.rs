//! Output files of every command that writes: their names, and which files are overwritten.

use std::path::{Path, PathBuf};

use wgvae::data::{self, Mark};

use crate::common;
use crate::common::program::{refuses, text, wgvae};

/// Its standard output; it must succeed.
fn said(folder: &Path, args: &[&str]) -> String {
    let output = wgvae(folder, args);
    assert!(output.status.success(), "wgvae {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The file that "wrote FILE" names.
fn wrote(said: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix("wrote ")).unwrap_or_else(|| panic!("{said}"));
    line.split(" (").next().unwrap_or(line).split("; ").next().unwrap_or(line).to_owned()
}

/// A run of one epoch on six pictures in the folder `photos`, and a second one of the same pictures.
fn trained() -> tempfile::TempDir {
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
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
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
    let page = [
        "evaluate",
        "runs/a",
        "photos",
        "--iwae",
        "1",
        "--samples",
        "4",
        "--no-features",
        "--html",
        "photos/r.html",
    ];
    said(at, &page);
    said(at, &page);
    said(at, &["sample", "runs/a", "-o", "runs/a/mine.png"]);
    said(at, &["sample", "runs/a", "-o", "runs/a/mine.png"]);
    for _ in 0..2 {
        said(at, &["fit-prior", "runs/a", "photos", "--components", "1"]);
        said(at, &["fit-prior", checkpoint, "photos", "--components", "1"]);
    }
}

#[test]
fn a_command_knows_its_own_files_again() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    // by name: the same command again, and what was changed since is another's
    fn sample<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["sample", "runs/a", "--count", "2"], more].concat()
    }
    for (name, kind) in [("x.png", "png"), ("x.JPG", "jpeg"), ("x.jpeg", "jpeg"), ("x.webp", "webp")] {
        said(at, &sample(&["-o", name]));
        said(at, &sample(&["-o", name, "--seed", "3"]));
        let bytes = std::fs::read(at.join(name)).expect("written");
        let format = image::guess_format(&bytes).expect("a picture");
        assert_eq!(format!("{format:?}").to_lowercase(), kind, "{name}");
        assert_eq!(Mark::read(&at.join(name)), Some(Mark::of("sample")));
        refuses(at, &["reconstruct", "runs/a", "photos", "-o", name], 2, &["--force"]);
        let mut picture = image::load_from_memory(&bytes).expect("decoded").into_rgb8();
        picture.put_pixel(5, 5, image::Rgb([1, 2, 3]));
        data::save_png(&picture, &at.join(name)).expect("written");
        refuses(at, &sample(&["-o", name]), 2, &["--force"]);
        said(at, &sample(&["-o", name, "--force"]));
    }
    let of = |name: &str| image::open(at.join(name)).expect("a picture").into_rgb8();
    assert_eq!(of("x.png"), of("x.webp"), "both are without loss");
    let apart = |a: &image::RgbImage, b: &image::RgbImage| {
        let sum: u32 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / a.as_raw().len() as f64
    };
    assert!(apart(&of("x.png"), &of("x.JPG")) < 4.0, "{}", apart(&of("x.png"), &of("x.JPG")));
    // a marked picture is a picture to every reader: what was trained on stays what it was
    assert_eq!(data::decode(&at.join("x.png")).expect("decoded").rgb, of("x.png").into_raw());

    // a page, a table, a film, latents
    let page = [
        "evaluate",
        "runs/a",
        "photos",
        "--iwae",
        "1",
        "--samples",
        "4",
        "--no-features",
        "--html",
        "r.html",
    ];
    said(at, &page);
    said(at, &page);
    let text = std::fs::read_to_string(at.join("r.html")).expect("page");
    std::fs::write(at.join("r.html"), text.replace("Measures", "My measures")).expect("written");
    refuses(at, &page, 2, &["--force"]);
    let way =
        ["interpolate", "runs/a", "photos/0.png", "photos/1.png", "--steps", "3", "--gif", "-o", "w.png"];
    said(at, &way);
    said(at, &way);
    let film = std::fs::read(at.join("w.gif")).expect("film");
    std::fs::write(at.join("w.gif"), &film[..film.len() - 40]).expect("written");
    refuses(at, &way, 2, &["w.gif", "--force"]);
    let encode = |file| ["encode", "runs/a", "photos", "-o", file];
    said(at, &encode("l.safetensors"));
    let first = std::fs::read(at.join("l.safetensors")).expect("latents");
    said(at, &encode("l.safetensors"));
    assert!(
        first == std::fs::read(at.join("l.safetensors")).expect("latents"),
        "the same latents, other bytes"
    );
    said(at, &encode("l.csv"));
    refuses(at, &encode("l.csv"), 2, &["--force"]);
}

/// Models, priors, seeds, temperatures, counts, checkpoints, pictures, flags: by default names nothing meets.
#[test]
fn default_names_never_meet_and_a_repeated_command_just_works() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    said(at, &["fit-prior", "runs/a", "photos", "--components", "1"]);
    said(at, &["fit-prior", "runs/a", "photos", "--components", "1", "-o", "other.safetensors"]);
    said(at, &["encode", "runs/a", "photos", "-o", "l.npy"]);
    let commands = [
        "sample runs/a",
        "sample runs/b",
        "sample runs/a --prior fitted",
        "sample runs/a --prior other.safetensors",
        "sample runs/a --temperature 0.5",
        "sample runs/a --count 4",
        "sample runs/a --seed 1",
        "sample runs/a --separate",
        "sample runs/b --separate",
        "sample runs/a --separate --prior fitted",
        "reconstruct runs/a photos",
        "reconstruct runs/b photos",
        "reconstruct runs/a photos/0.png",
        "reconstruct runs/a photos/0.png photos/1.png",
        "reconstruct runs/a photos --resize cover",
        "reconstruct runs/a photos --separate",
        "interpolate runs/a photos/0.png photos/1.png",
        "interpolate runs/a photos/0.png photos/1.png --linear",
        "interpolate runs/a photos/1.png photos/0.png",
        "traverse runs/a photos/0.png",
        "traverse runs/a photos/0.png --dims 2",
        "traverse runs/a",
        "encode runs/a photos",
        "encode runs/b photos",
        "encode runs/a photos/0.png",
        "decode runs/a l.npy",
        "decode runs/b l.npy",
        "data sheet photos --size 16",
        "data sheet photos --size 32",
        "data sheet --size 16 --count 4",
    ];
    let run = |line: &str| wrote(&said(at, &line.split(' ').collect::<Vec<_>>()));
    let names: Vec<String> = commands.iter().map(|line| run(line)).collect();
    let mut different = names.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), names.len(), "{names:?}");
    let before = contents(at);
    let again: Vec<String> = commands.iter().map(|line| run(line)).collect();
    assert_eq!(again, names);
    assert!(contents(at) == before, "the same command gives the same files");
    // a run and its checkpoint are the same model
    assert_eq!(run("sample runs/a/checkpoints/epoch_0001"), names[0]);
    for part in ["a_epoch_0001", "seed_0", ".png"] {
        assert!(names[0].contains(part), "{}", names[0]);
    }
    // names of any length
    let long = format!("{}.png", "\u{e9}".repeat(120));
    std::fs::copy(at.join("photos/0.png"), at.join(&long)).expect("copied");
    let way = ["interpolate", "runs/a", &long, &long];
    assert_eq!(wrote(&said(at, &way)), wrote(&said(at, &way)));
    said(at, &["reconstruct", "runs/a", &long, "--separate"]);
    // a file of somebody else stays
    std::fs::write(at.join(&names[0]), "mine").expect("written");
    assert_ne!(run("sample runs/a"), names[0]);
    assert_eq!(std::fs::read_to_string(at.join(&names[0])).expect("read"), "mine");
}

#[test]
fn separate_files_leave_nothing_stale_and_take_nothing_else() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    let sample = |count: &'static str| ["sample", "runs/a", "--separate", "-o", "out", "--count", count];
    let listed = || {
        let entries = std::fs::read_dir(at.join("out")).expect("out").map(|entry| entry.expect("entry"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    said(at, &sample("5"));
    std::fs::write(at.join("out/mine.txt"), "mine").expect("written");
    std::fs::copy(at.join("out/00003.png"), at.join("out/best.png")).expect("copied");
    std::fs::write(at.join("out/00004.png"), "changed").expect("written");
    said(at, &sample("2"));
    assert_eq!(listed(), ["00000.png", "00001.png", "00004.png", "best.png", "mine.txt"]);
    refuses(at, &sample("5"), 2, &["00004.png", "--force"]);
    assert_eq!(listed(), ["00000.png", "00001.png", "00004.png", "best.png", "mine.txt"]);
    said(at, &[&sample("5")[..], &["--force"]].concat());
    said(at, &sample("1"));
    assert_eq!(listed(), ["00000.png", "best.png", "mine.txt"], "a forced file is its own from then on");
    // equal pictures are equal files, in any folder
    said(at, &["sample", "runs/a", "--separate", "-o", "twin", "--count", "1"]);
    let bytes = |folder: &str| std::fs::read(at.join(folder).join("00000.png")).expect("read");
    assert!(bytes("out") == bytes("twin"));

    // another command's folder, and one of somebody else
    refuses(at, &["reconstruct", "runs/a", "photos", "--separate", "-o", "out"], 2, &["--force"]);
    refuses(at, &["sample", "runs/a", "--separate", "-o", "runs"], 2, &["not empty", "--force"]);
    refuses(at, &["sample", "runs/a", "--separate", "-o", "out/mine.txt"], 2, &["is not a folder"]);
    refuses(at, &["sample", "runs/a", "--separate", "-o", "x.png"], 2, &["is for a folder"]);
    refuses(at, &["sample", "runs/a", "--separate", "-o", "no/such/out"], 1, &["there is no folder no"]);
    refuses(at, &["sample", "runs/a", "-o", "out"], 2, &["is a folder", "out/picture.png"]);
    #[cfg(unix)]
    {
        // a link among the files leads elsewhere
        std::os::unix::fs::symlink("../photos/0.png", at.join("out/00001.png")).expect("link");
        let before = std::fs::read(at.join("photos/0.png")).expect("read");
        refuses(at, &sample("2"), 2, &["00001.png", "--force"]);
        assert!(before == std::fs::read(at.join("photos/0.png")).expect("read"));
    }
    // reconstructions of fewer pictures
    let two = ["reconstruct", "runs/a", "photos/0.png", "photos/1.png", "--separate", "-o", "again"];
    said(at, &two);
    said(at, &[&two[..3], &two[4..]].concat());
    assert_eq!(std::fs::read_dir(at.join("again")).expect("again").count(), 1);
}

/// Commands that need no adapter: folders of pictures, pages of the manual.
#[test]
fn folders_are_new_or_empty() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::write(at.join("file"), "mine").expect("written");
    std::fs::create_dir(at.join("full")).expect("folder");
    std::fs::write(at.join("full/wgvae.1"), "mine").expect("written");
    let synth = |out: &'static str| ["data", "synth", out, "--count", "2", "--size", "8"];
    refuses(at, &synth("file"), 1, &["is not a folder"]);
    refuses(at, &synth("none/such"), 1, &["there is no folder none"]);
    refuses(at, &synth("full"), 1, &["not empty"]);
    said(at, &synth("set"));
    refuses(at, &["man", "file"], 1, &["is not a folder"]);
    refuses(at, &["man", "none/such"], 1, &["there is no folder none"]);
    refuses(at, &["man", "full"], 2, &["wgvae.1", "--force"]);
    assert_eq!(std::fs::read_dir(at.join("full")).expect("full").count(), 1, "nothing was written");
    said(at, &["man", "pages"]);
    said(at, &["man", "pages"]);
    let sheet = ["data", "sheet", "--size", "8", "--count", "4", "-o"];
    said(at, &[&sheet[..], &["new/x.png"]].concat());
    let far = at.join("nowhere/dir/x.png").to_string_lossy().into_owned();
    refuses(at, &[&sheet[..], &[&far]].concat(), 1, &["there is no folder", "nowhere (of folders"]);
    assert!(!at.join("nowhere").exists());
    assert_eq!(std::fs::read_to_string(at.join("file")).expect("read"), "mine");
    refuses(
        at,
        &["data", "sheet", "--size", "200", "--count", "10000", "-o", "x.webp"],
        2,
        &["16383 px", "--count or --size"],
    );
}

/// A file's permissions are its own.
#[cfg(unix)]
#[test]
fn permissions_stay_and_write_protected_files_are_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let sheet = ["data", "sheet", "--size", "8", "--count", "4", "-o", "x.png"];
    said(at, &sheet);
    let set = |mode| {
        std::fs::set_permissions(at.join("x.png"), std::fs::Permissions::from_mode(mode))
            .expect("permissions");
    };
    set(0o600);
    said(at, &sheet);
    let mode = std::fs::metadata(at.join("x.png")).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    set(0o400);
    refuses(at, &sheet, 2, &["write-protected"]);
}
