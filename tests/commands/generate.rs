//! Commands that use a trained model, as a user runs them: each on one small model, its files compared with each
//! other.

use std::path::{Path, PathBuf};

use wgvae::checkpoint;
use wgvae::data;
use wgvae::generate::{self, prior_file};

use crate::common;
use crate::common::program::{said, text, wgvae};

fn refused(folder: &Path, args: &[&str], part: &str) {
    let output = wgvae(folder, args);
    let error = text(&output.stderr);
    assert!(
        !output.status.success() && error.contains(part),
        "wgvae {args:?}: {part:?} is missing in {error}"
    );
    assert!(!error.contains("panicked"), "wgvae {args:?}: {error}");
}

fn pixels(path: &Path) -> image::RgbImage {
    image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_rgb8()
}

/// The file in samples/ whose name, after the run's and the checkpoint's, is `name`.
fn sample(at: &Path, name: &str) -> PathBuf {
    let files = std::fs::read_dir(at.join("samples")).expect("samples").map(|e| e.expect("entry").path());
    let is = |path: &PathBuf| {
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        own.starts_with("a_epoch_") && own.get("a_epoch_0000_".len()..) == Some(name)
    };
    let found: Vec<PathBuf> = files.filter(is).collect();
    let [path] = &found[..] else { panic!("{name}: {found:?}") };
    path.clone()
}

/// The picture in a cell of a sheet.
fn cell(sheet: &image::RgbImage, size: u32, column: u32, row: u32) -> image::RgbImage {
    let at = |i: u32| data::GAP + i * (size + data::GAP);
    image::imageops::crop_imm(sheet, at(column), at(row), size, size).to_image()
}

const SIZE: u32 = 16;

/// A trained model and a folder of 24 pictures in two classes.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    for i in 0..24u64 {
        let class = if i % 2 == 0 { "even, more" } else { "odd" };
        let grid = data::grid(&[data::landscape(8, i, 32).0], 32, 1, 0);
        data::save_png(&grid, &at.join("photos").join(class).join(format!("{i:02}.png"))).expect("written");
    }
    let train = [
        "train", "photos", "--size", "16", "--hidden", "4", "--latent", "3", "--epochs", "40", "--name", "a",
    ];
    said(at, &[&train[..], &["--batch-size", "8", "--seed", "1", "--quiet", "--keep", "1"]].concat());
    folder
}

#[test]
fn every_command_on_one_model() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();

    // one model, three ways to its reconstructions: a sheet, files, and through a file of latents
    said(at, &["reconstruct", "runs/a", "photos"]);
    said(at, &["reconstruct", "runs/a", "photos", "--separate", "-o", "again"]);
    for extension in ["safetensors", "npy", "csv"] {
        let file = format!("l.{extension}");
        let told = said(at, &["encode", "runs/a", "photos", "-o", &file]);
        assert!(told.contains("24 pictures, 3 latent dimensions"), "{told}");
        said(at, &["decode", "runs/a", &file, "-o", extension]);
    }
    let sheet = pixels(&sample(at, "reconstruct_photos.png"));
    let mut separate: Vec<_> =
        std::fs::read_dir(at.join("again")).expect("again").map(|e| e.expect("entry").path()).collect();
    separate.sort();
    assert_eq!(separate.len(), 24);
    let mut differ = 0;
    for (index, path) in (0u32..).zip(&separate) {
        let recon = cell(&sheet, SIZE, index % 8, 2 * (index / 8) + 1);
        assert_eq!(recon, pixels(path), "{}", path.display());
        for extension in ["safetensors", "npy", "csv"] {
            // a .npy file has no names
            let name = if extension == "npy" {
                format!("{index:06}.png")
            } else {
                path.file_name().expect("a name").to_string_lossy().into_owned()
            };
            assert_eq!(recon, pixels(&at.join(extension).join(name)), "{extension} {index}");
        }
        differ += usize::from(recon != cell(&sheet, SIZE, 0, 1));
    }
    assert!(differ > 12, "the model makes the same of different pictures");
    let csv = std::fs::read_to_string(at.join("l.csv")).expect("csv");
    assert!(csv.lines().nth(1).expect("a row").starts_with("\"even, more/00.png\",\"even, more\","), "{csv}");

    // each pixel of an enlarged sheet is a square
    said(at, &["reconstruct", "runs/a", "photos", "--scale", "3", "-o", "large.png"]);
    let large = pixels(&at.join("large.png"));
    assert_eq!(large.dimensions(), (3 * sheet.width(), 3 * sheet.height()));
    assert!(large.enumerate_pixels().all(|(x, y, pixel)| pixel == sheet.get_pixel(x / 3, y / 3)));
    let film = ["traverse", "runs/a", "photos", "--scale", "2", "--gif", "--dims", "1", "-o", "film.png"];
    said(at, &film);
    let film = image::open(at.join("film.gif")).expect("a film");
    assert_eq!((film.width(), film.height()), (2 * SIZE, 2 * SIZE));

    // the way between two pictures begins and ends at their reconstructions
    let (a, b) = ("photos/even, more/00.png", "photos/odd/01.png");
    // the arc and the line are two results with two names
    for (more, name) in [(&[][..], "00_01"), (&["--linear"], "00_01_2")] {
        said(at, &[&["interpolate", "runs/a", a, b, "--steps", "5", "--gif"][..], more].concat());
        let strip = pixels(&sample(at, &format!("interpolate_{name}.png")));
        assert_eq!(cell(&strip, SIZE, 1, 0), pixels(&separate[0]));
        assert_eq!(cell(&strip, SIZE, 5, 0), pixels(&separate[12]), "the classes are sorted");
        assert_ne!(cell(&strip, SIZE, 3, 0), cell(&strip, SIZE, 1, 0));
    }
    let gif = std::fs::File::open(sample(at, "interpolate_00_01.gif")).expect("a film");
    let decoder = image::codecs::gif::GifDecoder::new(std::io::BufReader::new(gif)).expect("a GIF");
    let frames = image::AnimationDecoder::into_frames(decoder).collect_frames().expect("frames");
    assert_eq!(frames.len(), 8, "five pictures there and three back");

    // dimensions by their divergence, each moved alone; where it is what the picture has, the picture's own
    let told = said(at, &["traverse", "runs/a", a, "--data", "photos", "--dims", "2", "--steps", "5"]);
    let rows: Vec<Vec<f64>> = told
        .lines()
        .filter_map(|line| {
            line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>()
        })
        .filter(|row| row.len() == 2)
        .collect();
    assert!(rows.len() == 2 && rows[0][1] >= rows[1][1] && rows[1][1] > 0.0, "{told}");
    assert_eq!(pixels(&sample(at, "traverse_00.png")).dimensions(), (5 * 18 + 2, 2 * 18 + 2));
}

#[test]
fn a_fitted_prior_is_used_and_measured() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    refused(at, &["sample", "runs/a", "--prior", "fitted"], "no fitted prior yet");
    let told = said(at, &["fit-prior", "runs/a", "photos", "--components", "1,2"]);
    assert!(told.contains("N(0, I):") && told.contains("chosen:"), "{told}");
    let model = checkpoint::open(&at.join("runs/a")).expect("the model");
    let traversed = said(at, &["traverse", "runs/a", "--dims", "1"]);
    let fitted = prior_file::find(&at.join("runs/a"), None, &model.weights).expect("the prior");

    let most = fitted.kl.iter().copied().fold(0.0, f64::max);
    assert!(traversed.contains(&format!("{most:10.3}")), "{most} is missing in {traversed}");

    // the samples are the decoded draws of the stored mixture, the same for the same seed
    for name in ["one", "two"] {
        let args = [
            "sample",
            "runs/a",
            "--prior",
            "fitted",
            "--count",
            "4",
            "--seed",
            "5",
            "--separate",
            "-o",
            name,
        ];
        said(at, &args);
    }
    let mut latents = generate::Encoded { dims: 3, ..generate::Encoded::default() };
    latents.mu = fitted.draw_range(0..4, 5, 1.0);
    latents.logvar = vec![0.0; 12];
    latents.names = (0..4).map(|i| i.to_string()).collect();
    latents.classes = vec![String::new(); 4];
    generate::write_latents(&at.join("z.npy"), &latents).expect("written");
    said(at, &["decode", "runs/a", "z.npy", "-o", "three"]);
    let normal = ["sample", "runs/a", "--prior", "normal", "--count", "4", "--seed", "5"];
    said(at, &[&normal[..], &["--separate", "-o", "normal"]].concat());
    let mut differ = 0;
    for index in 0..4 {
        let of = |folder: &str, digits: usize| pixels(&at.join(folder).join(format!("{index:0digits$}.png")));
        assert_eq!(of("one", 5), of("two", 5));
        assert_eq!(of("one", 5), of("three", 6));
        differ += usize::from(of("one", 5) != of("normal", 5));
    }
    assert!(differ >= 3, "a fitted prior draws what N(0, I) draws");

    // the evaluation agrees with the latents, its bounds are in order, and a better prior is nearer
    let json = said(at, &["evaluate", "runs/a", "photos", "--json", "--iwae", "32", "--no-features"]);
    let found: serde_json::Value = serde_json::from_str(&json).expect("one JSON document");
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key} in {json}"));
    let kl: f64 = fitted.kl.iter().sum();
    assert!((number("kl") - kl).abs() < 1e-6 * kl, "KL {} and {kl}", number("kl"));
    assert!((number("elbo") + number("nll") + number("kl")).abs() < 1e-9);
    assert!(number("iwae") > number("elbo"), "{json}");
    assert!((0.0..1.0).contains(&number("ssim")) && number("psnr") > 5.0, "{json}");
    let distance = |which: &str| found[which]["pixels"].as_f64().expect("a distance");
    assert!(distance("fitted") < distance("normal"), "{json}");
    let table = said(at, &["evaluate", "runs/a", "photos", "--no-features"]);
    for part in
        ["ELBO", "IWAE bound", "MS-SSIM", "active units", "of the fitted prior", "halves of the pictures"]
    {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }

    // another model's prior is refused by name
    said(
        at,
        &[
            "train",
            "photos",
            "--init",
            "runs/a",
            "--epochs",
            "1",
            "--name",
            "b",
            "--quiet",
            "--batch-size",
            "8",
        ],
    );
    std::fs::copy(at.join("runs/a/prior.safetensors"), at.join("runs/b/prior.safetensors")).expect("copied");
    refused(at, &["sample", "runs/b", "--prior", "fitted"], "another model's latents");
}

#[test]
fn what_cannot_be_is_said() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    std::fs::write(at.join("no.png"), b"no picture").expect("written");
    std::fs::write(at.join("four.npy"), b"\x93NUMPY\x01\x00\x00\x00").expect("written");
    refused(at, &["reconstruct", "runs/a", "missing.png"], "missing.png");
    refused(at, &["reconstruct", "runs/a", "no.png"], "no.png");
    refused(at, &["interpolate", "runs/a", "no.png", "photos/odd/01.png"], "no.png");
    refused(
        at,
        &["interpolate", "runs/a", "photos/odd/01.png", "photos/odd/03.png", "--steps", "1"],
        "--steps",
    );
    refused(at, &["traverse", "runs/a"], "give DATA, a picture or a folder of them");
    refused(at, &["traverse", "runs/a", "photos/odd/01.png", "--range", "0"], "--range");
    refused(at, &["encode", "runs/a", "photos", "-o", "l.txt"], ".safetensors, .npy or .csv");
    refused(at, &["decode", "runs/a", "four.npy"], "four.npy");
    refused(at, &["fit-prior", "runs/a", "photos/odd/01.png"], "at least 3 latents");
    refused(at, &["evaluate", "runs/nothing", "photos"], "no such file");
    refused(at, &["sample", "runs/a", "--prior", "missing.safetensors"], "missing.safetensors");
}
