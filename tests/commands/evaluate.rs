//! `wgvae evaluate` where the factors of the pictures are known, and its page.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use wgvae::checkpoint;
use wgvae::data::{self, Factors, Resize};
use wgvae::evaluate::HELD_OUT;
use wgvae::generate::{self, Input};
use wgvae::metrics::{Kind, Samples};
use wgvae::model::{Device, ModelOptions, Vae};

use crate::common;
use crate::common::events::values;
use crate::common::program::{refuses, said, text, wgvae};

/// A run of a few steps on landscapes.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let train = ["train", "--landscapes", "60", "--size", "16", "--hidden", "4", "--latent", "4"];
    said(
        folder.path(),
        &[&train[..], &["--batch-size", "8", "--epochs", "6", "--name", "a", "--quiet"]].concat(),
    );
    folder
}

/// The document of `evaluate --json`, with few draws.
fn found(at: &Path, more: &[&str]) -> Value {
    let args = ["evaluate", "runs/a", "--json", "--iwae", "1", "--samples", "8", "--no-features"];
    serde_json::from_str(&said(at, &[&args[..], more].concat())).expect("one JSON document")
}

/// Latents of `inputs`, and their factors as a table whose rows are turned by `turn`.
fn samples(at: &Path, inputs: &[Input], turn: usize) -> Samples {
    let adapter = common::adapter().expect("it was there");
    let model = checkpoint::open(&at.join("runs/a")).expect("the model");
    let mut vae =
        Vae::empty(Device::Gpu(&adapter), ModelOptions::inference(model.config, 16)).expect("build");
    vae.load(&model.weights).expect("loaded");
    let (encoded, _) =
        generate::encode(&mut vae, inputs, Resize::Stretch.into(), &mut |_| ()).expect("encoded");
    let latents: Vec<f64> = encoded.mu.iter().map(|&mu| mu.into()).collect();
    let mut factors: Vec<[f64; 9]> =
        inputs.iter().map(|input| input.factors.expect("known").values()).collect();
    factors.rotate_left(turn);
    let mut kinds = [Kind::Continuous; 9];
    kinds[0] = Kind::Discrete;
    kinds[7] = Kind::Discrete;
    Samples::new(&latents, encoded.dims, &factors.concat(), &kinds).expect("samples")
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
}

#[test]
fn known_factors_give_scores() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    // without DATA: landscapes that no training has seen
    let all = found(at, &["--landscapes", "120", "--seed", "5"]);
    assert!(all["features"].is_null(), "{}", all["features"]);
    let scores = &all["scores"];
    let inputs = generate::landscapes(HELD_OUT, 120);
    let known = samples(at, &inputs, 0);
    close(&scores["mig"], known.mig().mean);
    close(&scores["sap"], known.sap().mean);
    let dci = known.dci(5).expect("dci");
    close(&scores["disentanglement"], dci.disentanglement);
    close(&scores["completeness"], dci.completeness.mean);
    close(&scores["error"], dci.error.mean);
    assert_eq!((&scores["pictures"], &all["pictures"]), (&120.into(), &120.into()));
    for (at, name) in Factors::NAMES.iter().enumerate() {
        assert_eq!(&scores["factors"][at]["factor"], name);
        close(&scores["factors"][at]["mig"], known.mig().factors[at]);
    }
    // the latents know something of their own pictures' factors, and less of other pictures'
    let others = samples(at, &inputs, 1).dci(5).expect("dci").error.mean;
    assert!(
        dci.error.mean < 0.97 * others,
        "{} with the pictures' factors, {others} with others'",
        dci.error.mean
    );

    // landscapes as files have the scores too, and so has a split of them; pictures without known factors have none
    said(at, &["data", "synth", "set", "--count", "80", "--size", "16", "--seed", "3"]);
    let whole = found(at, &["set"]);
    let drawn = samples(at, &generate::landscapes(3, 80), 0);
    close(&whole["scores"]["mig"], drawn.mig().mean);
    close(&whole["scores"]["sap"], drawn.sap().mean);
    let part = found(at, &["set/Training Data"]);
    assert_eq!(part["scores"]["pictures"], 72);
    let table = said(at, &["evaluate", "runs/a", "set", "--iwae", "1", "--samples", "8", "--no-features"]);
    for word in
        ["9 known factors", "MIG", "sun_height", "mean of the factors", "of 80 pictures", "disentanglement"]
    {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    std::fs::write(
        at.join("set/Training Data/Snow/other.png"),
        std::fs::read(at.join("samples/a_sample_epoch_0001.png")).expect("a picture"),
    )
    .expect("written");
    assert!(found(at, &["set"])["scores"].is_null(), "of one picture nothing is known");
}

/// Without DATA a run is measured on the pictures that its training held out, and says which.
#[test]
fn a_run_is_measured_on_its_own_held_out_pictures() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    said(at, &["data", "synth", "set", "--count", "60", "--size", "16"]);
    // one folder of pictures, without a split of its own
    std::fs::create_dir(at.join("flat")).expect("folder");
    for (number, input) in generate::gather(&[at.join("set")]).expect("pictures").0.iter().enumerate() {
        std::fs::copy(input.location.path(), at.join(format!("flat/{number:02}.png"))).expect("copied");
    }
    let train = |data: &str, name: &str| {
        let sizes = ["--size", "16", "--hidden", "4", "--latent", "4", "--batch-size", "8", "--epochs", "1"];
        said(at, &[&["train", data, "--name", name, "--no-tune", "--seed", "5"], &sizes[..]].concat());
    };
    train("set", "a");
    train("flat", "b");
    let measured = |run: &str, data: &[&str]| {
        let args =
            [&["evaluate", run, "--json", "--iwae", "1", "--samples", "8", "--no-features"], data].concat();
        let mut found: Value = serde_json::from_str(&said(at, &args)).expect("one JSON document");
        let on = found.as_object_mut().expect("an object").remove("measured_on").expect("its pictures");
        (on.as_str().expect("text").to_owned(), found)
    };
    let (on, found) = measured("runs/a", &[]);
    assert!(on.starts_with("3 test pictures of ") && on.ends_with("set, as split by the run"), "{on}");
    assert_eq!(found, measured("runs/a", &["set/Testing Data"]).1);
    // the split that the run's seed draws, and not the one of another seed
    let (on, found) = measured("runs/b", &[]);
    assert!(on.starts_with("3 test pictures of ") && on.ends_with("flat, as split by the run"), "{on}");
    let options = data::ScanOptions { seed: 5, ..data::ScanOptions::default() };
    let index = data::scan_with(&at.join("flat"), &options).expect("pictures");
    let divided = data::prepare_folder(index, (16, Resize::Stretch.into()), 1 << 20, None, &|_, _| ());
    let test = divided.expect("a split").dataset.test;
    let paths: Vec<&str> = test.iter().map(|item| item.path.to_str().expect("a path")).collect();
    assert_eq!(found, measured("runs/b", &paths).1);
    // a flag for the landscapes; the same from a checkpoint of the run, and not from a copy of its model
    assert!(measured("runs/b", &["--landscapes", "4"]).0.starts_with("4 built-in landscapes"));
    assert_eq!(measured("runs/b/checkpoints/epoch_0001", &[]).1, found);
    said(at, &["convert", "runs/b", "alone.safetensors"]);
    assert!(measured("alone.safetensors", &[]).0.starts_with("1000 built-in landscapes"));
    // pictures that have changed, and that have gone
    std::fs::remove_file(at.join("flat/00.png")).expect("removed");
    std::fs::remove_file(at.join("flat/01.png")).expect("removed");
    assert!(measured("runs/b", &[]).0.contains("its training pictures have changed since"));
    std::fs::rename(at.join("flat"), at.join("gone")).expect("renamed");
    refuses(at, &["evaluate", "runs/b"], 1, &["flat", "are not here", "--landscapes"]);
}

#[test]
fn what_cannot_be_scored_is_said() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    refuses(
        at,
        &["evaluate", "runs/a", "set", "--landscapes", "9"],
        2,
        &["--landscapes", "cannot be used with"],
    );
    refuses(at, &["evaluate", "runs/a", "--landscapes", "0"], 2, &["--landscapes"]);
    // ten rows are too few to learn from and to test on: the other measures are there all the same
    let args = ["evaluate", "runs/a", "--landscapes", "10", "--iwae", "1", "--samples", "8", "--no-features"];
    let output = wgvae(at, &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no scores of disentanglement: "), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("measured on 10 built-in landscapes"), "{}", text(&output.stdout));
    said(at, &["data", "synth", "set", "--count", "8", "--size", "16"]);
    let table = std::fs::read_to_string(at.join("set/factors.csv")).expect("a table");
    let damaged = table.replacen("Training Data,", "Training Data,Swamp", 1);
    std::fs::write(at.join("set/factors.csv"), damaged).expect("written");
    refuses(at, &["evaluate", "runs/a", "set"], 1, &["factors.csv: line 2: not a row of factors"]);
    std::fs::write(at.join("set/factors.csv"), "file,price\nx,1\n").expect("written");
    assert!(found(at, &["set"])["scores"].is_null(), "a table of something else");
}

/// Bits per value are a figure of densities, which the cross-entropy is not.
#[test]
fn bits_per_value_are_given_for_densities_alone() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let number = |from: &Value, key: &str| from[key].as_f64().unwrap_or_else(|| panic!("{key} in {from}"));
    let bits = |from: &Value, prefix: &str| {
        let [nll, kl] = ["nll", "kl"].map(|key| number(from, &format!("{prefix}{key}")));
        (nll + kl) / (3.0 * 16.0 * 16.0) / std::f64::consts::LN_2
    };
    let key = "validation_bits_per_value";
    let densities = ["mse", "l1", "continuous-bernoulli", "gaussian"].map(|loss| (loss, true));
    for (loss, density) in [("bce", false)].into_iter().chain(densities) {
        let sizes = ["--landscapes", "40", "--size", "16", "--hidden", "2", "--latent", "2", "--epochs", "8"];
        let name = ["--name", loss, "--loss", loss, "--batch-size", "8", "--quiet"];
        said(at, &[&["train"], &sizes[..], &name[..]].concat());
        let run = at.join("runs").join(loss);
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
        let line = metrics.lines().rfind(|line| line.contains("\"kind\":\"epoch\"")).expect("a line");
        let epoch: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(epoch.get(key).is_some(), density, "{loss}: {epoch}");
        let scalar = format!("epoch/{key}");
        assert_eq!(values(&run).iter().any(|value| value.tag == scalar), density, "{loss}");
        if density {
            assert!((number(&epoch, key) - bits(&epoch, "validation_")).abs() < 1e-9, "{epoch}");
            // the probability of one of 256 values is 1/256 of the density
            let eight = number(&epoch, "validation_bits_per_dim") - 256f64.log2();
            assert!((number(&epoch, key) - eight).abs() < 1e-9, "{epoch}");
        }
    }
    for (loss, density) in [("bce", false), ("mse", true), ("gaussian", true)] {
        let model = format!("runs/{loss}");
        let args =
            ["evaluate", &model, "--landscapes", "8", "--iwae", "1", "--samples", "4", "--no-features"];
        let found: Value = serde_json::from_str(&said(at, &[&args[..], &["--json"]].concat())).expect("JSON");
        let table = said(at, &args);
        assert_eq!(found.get("bits_per_value").is_some(), density, "{loss}: {found}");
        assert_eq!(table.contains("bits per value"), density, "{table}");
        assert_eq!(table.contains("of 8-bit pixels: bits per value + 8"), density, "{table}");
        assert_eq!(table.contains("no density"), !density, "{table}");
        if density {
            assert!((number(&found, "bits_per_value") - bits(&found, "")).abs() < 1e-9, "{found}");
            assert!((number(&found, "bits_per_dim") - bits(&found, "") - 8.0).abs() < 1e-9, "{found}");
        }
    }
}

/// The names of the tags of a page in their order, each closed as it was opened.
fn tags(page: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for (at, _) in page.match_indices('<') {
        let inside = &page[at + 1..at + page[at..].find('>').expect("a tag ends")];
        let name: String =
            inside.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if let Some(closed) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "what is closed was opened last");
        } else if !inside.ends_with('/')
            && !inside.starts_with('!')
            && !["meta", "img", "br"].contains(&name.as_str())
        {
            open.push(name.clone());
        }
        if !inside.starts_with('/') {
            all.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    all
}

#[test]
fn the_page_is_one_file_without_scripts() {
    if common::adapter().is_none() {
        return;
    }
    let folder = trained();
    let at = folder.path();
    let odd = "a<img src=x onerror='alert(1)'>&\".png";
    for i in 0..16u64 {
        let name = if i == 0 { odd.to_owned() } else { format!("{i}.png") };
        let grid = data::grid(&[data::landscape(8, i, 16).0], 16, 1, 0);
        data::save_png(&grid, &at.join("photos").join(name)).expect("written");
    }
    let page = |more: &[&str]| {
        let args =
            ["evaluate", "runs/a", "--iwae", "1", "--samples", "8", "--no-features", "--html", "report.html"];
        let told = said(at, &[&args[..], more].concat());
        assert!(told.contains("wrote report.html"), "{told}");
        std::fs::read_to_string(at.join("report.html")).expect("a page")
    };
    let photos = page(&["photos"]);
    let used = tags(&photos);
    let known = [
        "",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "table",
        "thead",
        "tr",
        "th",
        "td",
        "svg",
        "line",
        "text",
        "rect",
        "div",
        "figure",
        "figcaption",
        "img",
        "br",
    ];
    assert!(used.iter().all(|tag| known.contains(&tag.as_str())), "{used:?}");
    for outside in ["http:", "https:", "url(", "@import", "<script", "<link", "onerror='"] {
        assert!(!photos.contains(outside), "{outside} is in the page");
    }
    assert!(
        photos.contains("a&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;&quot;.png"),
        "a name is shown"
    );
    let sources: Vec<&str> =
        photos.split("src=\"").skip(1).map(|s| s.split('"').next().expect("its end")).collect();
    assert_eq!(sources.len(), used.iter().filter(|tag| *tag == "img").count());
    let decoded = |source: &&str| {
        let data = source.strip_prefix("data:image/png;base64,").unwrap_or_else(|| panic!("{source:.60}"));
        image::load_from_memory(&STANDARD.decode(data).expect("base64")).expect("a PNG").into_rgb8()
    };
    // eight best and eight worst over their reconstructions, and samples
    let pictures: Vec<_> = sources.iter().map(decoded).collect();
    assert_eq!(pictures.len(), 2 * 16 + 24);
    assert!(pictures.iter().all(|picture| picture.dimensions() == (16, 16)));
    let errors: Vec<f64> =
        photos.split("<br>MSE ").skip(1).map(|s| s[..7].parse().expect("a figure")).collect();
    assert!(
        errors.len() == 16 && errors[..8].is_sorted() && errors[8..].is_sorted_by(|a, b| a >= b),
        "{errors:?}"
    );
    assert!(errors[7] <= errors[15], "the best are not the worst: {errors:?}");
    for pair in pictures[..32].chunks(2) {
        let known = (0..16u64).any(|i| pair[0].as_raw() == &data::landscape(8, i, 16).0);
        assert!(known && pair[1] != pair[0], "an original over its reconstruction");
    }
    assert_eq!(used.iter().filter(|tag| *tag == "rect").count(), 4, "a bar for each dimension");
    assert!(
        !photos.contains("DCI") && !photos.contains("fitted prior"),
        "what was not measured is not shown"
    );
    assert_eq!(photos, page(&["photos"]), "the same model and pictures give the same page");

    said(at, &["fit-prior", "runs/a", "photos", "--components", "1"]);
    let landscapes = page(&["--landscapes", "40"]);
    tags(&landscapes);
    for part in ["Samples of the fitted prior", "DCI completeness", "sun_height", "IWAE bound", "parameters"]
    {
        assert!(landscapes.contains(part), "{part} is missing");
    }
    refuses(
        at,
        &["evaluate", "runs/a", "photos", "--iwae", "1", "--html", "no/report.html"],
        1,
        &["cannot write no/report.html"],
    );
}
