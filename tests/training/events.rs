//! TensorBoard events agree with metrics and pictures, and truncated files are readable. `tests/faults` checks that a
//! kill does not duplicate events.

use std::path::Path;

use crate::common;
use crate::common::events::{Value, What, files, records, values};
use crate::common::program::{text, wgvae};

const LATENT: usize = 5;

/// A run of two epochs of three steps, with two held-out pictures or none.
fn run(at: &Path, more: &[&str]) {
    let args =
        ["train", "--size", "16", "--hidden", "4", "--latent", "5", "--batch-size", "8", "--epochs", "2"];
    let output = wgvae(at, &[&args[..], &["--name", "a", "--quiet"], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "--quiet says nothing, and the coach neither");
}

fn of<'a>(values: &'a [Value], tag: &str) -> Vec<(u64, &'a What)> {
    values.iter().filter(|value| value.tag == tag).map(|value| (value.step, &value.what)).collect()
}

#[test]
fn events_say_what_metrics_and_pictures_say() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    run(at, &["--landscapes", "22"]); // 21 and 1
    let values = values(&at.join("runs/a"));
    let metrics = std::fs::read_to_string(at.join("runs/a/metrics.jsonl")).expect("metrics");
    let mut scalars = 0;
    for line in metrics.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let (kind, step) = (line["kind"].as_str().expect("a kind"), line["step"].as_u64().expect("a step"));
        if !["step", "epoch"].contains(&kind) {
            continue;
        }
        for (name, number) in line.as_object().expect("an object") {
            let number =
                number.as_f64().filter(|_| !["step", "epoch", "step_in_epoch"].contains(&name.as_str()));
            let found = of(&values, &format!("{kind}/{name}"));
            let found: Vec<_> = found.iter().filter(|(at, _)| *at == step).map(|(_, what)| *what).collect();
            let expected = number.map(|number| What::Scalar(number as f32));
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{kind}/{name} of step {step}");
            scalars += found.len();
        }
    }
    let all = values.iter().filter(|value| matches!(value.what, What::Scalar(_))).count();
    assert_eq!(scalars, all, "a scalar that no metrics have");
    for tag in ["step/loss", "step/bce", "step/kl", "step/lr", "step/beta", "step/images_per_second"] {
        assert_eq!(of(&values, tag).len(), 6, "{tag}");
    }
    for tag in ["epoch/train_loss", "epoch/validation_loss", "epoch/validation_kl"] {
        assert_eq!(of(&values, tag).len(), 2, "{tag}");
    }
    for (name, size) in [("sample", 74), ("reconstruction", 20)] {
        let pictures = of(&values, &format!("pictures/{name}"));
        assert_eq!(pictures.len(), 2, "{name}");
        for (epoch, (step, picture)) in (1..).zip(pictures) {
            let file = at.join(format!("samples/a_{name}_epoch_{epoch:04}.png"));
            let What::Picture(width, height, png) = picture else { panic!("{picture:?}") };
            let decoded = image::load_from_memory(png).expect("a PNG").into_rgb8();
            assert_eq!(decoded, image::open(&file).expect("a picture").into_rgb8(), "{name} {epoch}");
            assert_eq!((*width, *height, step), (decoded.width().into(), decoded.height().into(), 3 * epoch));
            assert_eq!(*width, size);
        }
    }
    distributions(&values, LATENT);
}

/// Distributions for the single held-out picture: its means, and the KL divergences of all dimensions.
fn distributions(values: &[Value], means: usize) {
    for (tag, count) in [("latents/mu", means), ("latents/kl", LATENT)] {
        let histograms = of(values, tag);
        assert_eq!(histograms.len(), 2, "{tag}");
        for (_, histogram) in histograms {
            let What::Histogram([min, max, number, sum, squares], limits, counts) = histogram else {
                panic!("{histogram:?}")
            };
            assert_eq!(*number, count as f64, "{tag}");
            assert_eq!((counts.iter().sum::<f64>(), counts.len()), (*number, limits.len()), "{tag}");
            assert!(
                limits.is_sorted() && limits[0] > *min && limits.last() == Some(max),
                "{tag}: {limits:?}"
            );
            assert!(*sum >= number * min && *sum <= number * max && *squares > 0.0, "{tag}: {histogram:?}");
            assert!(tag != "latents/kl" || *min >= 0.0, "{tag}: {min}");
        }
    }
}

/// Without held-out pictures the latents of training pictures are shown: a single picture is not split.
#[test]
fn a_run_without_validation_has_its_histograms() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let grid = wgvae::data::grid(&[wgvae::data::landscape(8, 1, 16).0], 16, 1, 0);
    wgvae::data::save_png(&grid, &at.join("set/one.png")).expect("written");
    run(at, &["set"]);
    let values = values(&at.join("runs/a"));
    assert!(of(&values, "epoch/validation_loss").is_empty() && of(&values, "epoch/train_loss").len() == 2);
    distributions(&values, LATENT);
}

#[test]
fn a_file_that_was_cut_reads_up_to_its_last_whole_record() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    run(folder.path(), &["--landscapes", "22"]);
    let path = files(&folder.path().join("runs/a")).pop().expect("a file");
    let whole = std::fs::read(path).expect("read");
    let (all, last) = (records(&whole).len(), records(&whole).last().expect("a record").len());
    assert_eq!(all, 2 + 6 + 2, "the version, the start, six steps, two epochs");
    for cut in [1, 4, 5, last, last + 4, last + 11] {
        assert_eq!(records(&whole[..whole.len() - cut]).len(), all - 1, "{cut} bytes less");
    }
}
