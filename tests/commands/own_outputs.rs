//! A command's own output files: known again, named by the settings, nothing stale, permissions as they were.

use wgvae::data::{self, Mark};

use crate::common;
use crate::common::program::{refuses, said};
use crate::outputs::{PAGE, contents, trained, wrote};

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
    let page = [&PAGE[..], &["r.html"]].concat();
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
    refuses(at, &synth("full"), 2, &["not empty"]);
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
