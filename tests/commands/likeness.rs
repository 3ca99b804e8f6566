//! The likeness of samples to real pictures, on the features of a network: `wgvae evaluate`, and its library.

use serde_json::Value;
use wgvae::data;
use wgvae::evaluate::{Judge, Pictures};
use wgvae::model::Device;

use crate::common;
use crate::common::program::{refuses, said, text, wgvae};

const SIZE: usize = 32;

fn landscapes(seed: u64, count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| data::landscape(seed, index, SIZE as u32).0).collect()
}

/// Means over squares of this edge around each pixel.
fn blurred(picture: &[u8], edge: usize) -> Vec<u8> {
    let mean = |at: usize| {
        let (channel, x, y) = (at % 3, at / 3 % SIZE, at / 3 / SIZE);
        let range = |at: usize| at.saturating_sub(edge / 2)..(at + edge / 2 + 1).min(SIZE);
        let pixels = range(y).flat_map(|y| range(x).map(move |x| 3 * (y * SIZE + x) + channel));
        let values: Vec<u32> = pixels.map(|at| u32::from(picture[at])).collect();
        (values.iter().sum::<u32>() / values.len() as u32) as u8
    };
    (0..picture.len()).map(mean).collect()
}

/// Real pictures are like each other, blurred ones less and less; copies of training pictures are found.
#[test]
fn features_rank_blur_and_find_copies() {
    let Some(adapter) = common::adapter() else { return };
    let of_no_class = |rgb: Vec<Vec<u8>>| Pictures { classes: vec![String::new(); rgb.len()], rgb };
    let real = landscapes(2, 80);
    let sets = (of_no_class(landscapes(1, 160)), of_no_class(real.clone()));
    let mut judge = Judge::new((Device::Gpu(&adapter), 250), SIZE, sets, &mut |_, _, _| ())
        .expect("trained")
        .expect("enough pictures");
    let yardstick = judge.real(80).expect("likeness");
    let own = yardstick.nearest_ratio.expect("training pictures");
    let mut of = |pictures: &[Vec<u8>]| judge.samples(pictures, 3).expect("likeness");
    let (others, _) = of(&landscapes(3, 80));
    println!("training {yardstick:?}\nothers {others:?}");
    let mut before = yardstick.frechet.max(others.frechet);
    for edge in [9, 17] {
        let (found, _) = of(&real.iter().map(|picture| blurred(picture, edge)).collect::<Vec<_>>());
        println!("blurred over {edge} px: {found:?}");
        assert!(found.frechet > 2.0 * before, "{edge}: {found:?}, before {before}");
        assert!(found.recall < 0.7 * others.recall, "{found:?} {others:?}");
        before = found.frechet;
    }
    let ratio = others.nearest_ratio.expect("training pictures");
    assert!((0.8..1.25).contains(&(ratio / own)), "{ratio} of other pictures, {own} of the real ones");
    // a pixel of each copy is changed
    let mut copies = landscapes(1, 80);
    copies.iter_mut().for_each(|picture| picture[0] ^= 8);
    let (found, neighbours) = of(&copies);
    assert!(found.nearest_ratio.expect("training pictures") < 0.5 * own, "{found:?}");
    for (copy, found) in copies.iter().zip(&neighbours) {
        let training = found.training.as_ref().expect("training pictures");
        assert_eq!(training.picture[1..], copy[1..], "the copy's original");
        assert!(training.distance < found.held_out.distance && real.contains(&found.held_out.picture));
    }
    assert_eq!(neighbours.len(), 3);
}

/// The figures of every prior in JSON, table and page; with the training pictures, and with half of the pictures.
#[test]
fn every_prior_has_its_likeness() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let sizes = ["--size", "16", "--hidden", "2", "--latent", "2", "--batch-size", "8", "--epochs", "1"];
    let train = ["train", "--landscapes", "60", "--name", "a", "--no-tune", "--quiet"];
    said(at, &[&train[..], &sizes[..]].concat());
    said(at, &["data", "synth", "set", "--count", "24", "--size", "16", "--seed", "3"]);
    said(at, &["fit-prior", "runs/a", "set", "--components", "1", "--flow", "--flow-steps", "20"]);
    let few = ["--iwae", "1", "--samples", "30", "--feature-steps", "2"];
    let json = |model: &str| -> Value {
        let args = [&["evaluate", model, "--landscapes", "26", "--json"], &few[..]].concat();
        serde_json::from_str(&said(at, &args)).expect("one JSON document")
    };
    let found = json("runs/a");
    let features = &found["features"];
    // 60 landscapes, of which 3 are held out
    assert_eq!((&features["trained_on"], &features["compared"]), (&57.into(), &26.into()));
    assert_eq!((&features["training_pictures"], &features["steps"]), (&true.into(), &2.into()));
    let priors: &[&str] = if at.join("runs/a/flow.safetensors").exists() {
        &["normal", "fitted", "flow", "real"]
    } else {
        &["normal", "fitted", "real"]
    };
    for prior in priors {
        let number = |key: &str| features[prior][key].as_f64().unwrap_or_else(|| panic!("{prior} {key}"));
        assert!(number("frechet") > 0.0 && number("nearest_ratio") > 0.0, "{features}");
        assert!((0.0..=1.0).contains(&number("precision")) && (0.0..=1.0).contains(&number("recall")));
        assert!(*prior == "real" || found[prior]["pixels"].as_f64().is_some(), "{found}");
    }
    assert_eq!(found, json("runs/a"), "the same model and pictures give the same figures");

    // a model alone: half of the pictures
    said(at, &["convert", "runs/a", "alone.safetensors"]);
    let features = &json("alone.safetensors")["features"];
    assert_eq!((&features["trained_on"], &features["compared"]), (&13.into(), &13.into()));
    assert_eq!(features["training_pictures"], false);
    assert!(features["normal"]["nearest_ratio"].is_null(), "{features}");

    let page = [&["evaluate", "runs/a", "set", "--html", "r.html"], &few[..]].concat();
    let table = said(at, &page);
    for word in ["Frechet", "of the fitted prior", "training pictures", "feature network: 16 px"] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    let page = std::fs::read_to_string(at.join("r.html")).expect("a page");
    for word in ["Likeness to the pictures", "Frechet distance", "nearest training pictures"] {
        assert!(page.contains(word), "{word} is missing");
    }
    // samples, and eight of them over two neighbours, for each prior
    let images = (priors.len() - 1) * (24 + 8 * 3) + 2 * 16;
    assert_eq!(page.matches("<img ").count(), images);

    let output = wgvae(at, &[&["evaluate", "alone.safetensors", "--landscapes", "6"], &few[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no likeness of features: 6 pictures are too few"));
    let output = wgvae(at, &["evaluate", "runs/a", "--landscapes", "6", "--iwae", "1", "--samples", "3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no likeness of features: 3 samples are too few"));
    refuses(
        at,
        &["evaluate", "runs/a", "--no-features", "--feature-steps", "3"],
        2,
        &["cannot be used with"],
    );
    refuses(at, &["evaluate", "runs/a", "--feature-steps", "0"], 2, &["--feature-steps"]);
}
