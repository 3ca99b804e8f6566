//! Training settings given by a user: their effect on the run's files, early stopping, and what a model file keeps.

use std::path::Path;

use wgvae::checkpoint;
use wgvae::config::{Likelihood, LossKind, ModelConfig, Sigma};
use wgvae::model::StateDict;

use crate::common;
use crate::common::program::{refuses, text, wgvae};

const SMALL: [&str; 13] = [
    "train",
    "--landscapes",
    "16",
    "--size",
    "16",
    "--hidden",
    "4",
    "--latent",
    "4",
    "--batch-size",
    "4",
    "--no-tune",
    "--epochs",
];

fn train(folder: &Path, epochs: &str, more: &[&str]) -> String {
    let args = [&SMALL[..], &[epochs], more].concat();
    let output = wgvae(folder, &args);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

fn epochs(folder: &Path) -> Vec<serde_json::Value> {
    let metrics = std::fs::read_to_string(folder.join("runs/a/metrics.jsonl")).expect("metrics");
    let lines = metrics.lines().map(|line| serde_json::from_str(line).expect("json"));
    lines.filter(|line: &serde_json::Value| line["kind"] == "step" && line["step_in_epoch"] == 1).collect()
}

/// With a learning rate that changes nothing, no epoch is better than the first.
#[test]
fn patience_ends_a_training_and_the_plateau_lowers_its_learning_rate() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let still = ["--name", "a", "--lr", "1e-30", "--lr-schedule", "plateau", "--patience", "5"];
    let said = train(at, "9", &still);
    assert!(said.contains("stopped early: the validation loss has not fallen for 5 epochs"), "{said}");
    let rates: Vec<f64> = epochs(at).iter().map(|line| line["lr"].as_f64().expect("lr")).collect();
    assert_eq!(rates, [1e-30, 1e-30, 1e-30, 1e-30, 5e-31, 5e-31]);
    let resume = ["train", "--resume", "--name", "a"];
    let said = text(&wgvae(at, &resume).stdout);
    assert!(said.contains("5 epochs without a lower validation loss; give more --patience"), "{said}");
    let said = text(&wgvae(at, &[&resume[..], &["--patience", "6"]].concat()).stdout);
    assert!(said.contains("has not fallen for 6 epochs"), "{said}");
    // verification from the checkpoint before the last reproduces everything, including the lowered learning rates
    let said = text(&wgvae(at, &["verify", "runs/a", "--steps", "12"]).stdout);
    assert!(said.contains("have the same bits"), "{said}");
}

#[test]
fn a_model_keeps_its_likelihood_wherever_it_goes() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, "1", &["--name", "a", "--loss", "l1", "--sigma", "0.25", "--ema", "0.9"]);
    let wanted = Likelihood { kind: LossKind::L1, sigma: Sigma::Fixed(0.25) };
    assert_eq!(checkpoint::open(&at.join("runs/a")).expect("a model").likelihood, wanted);
    assert!(wgvae(at, &["convert", "runs/a", "m.safetensors"]).status.success());
    assert_eq!(checkpoint::open(&at.join("m.safetensors")).expect("a model").likelihood, wanted);
    // the model is the average, and the raw parameters are stored with their moments
    let saved = checkpoint::load(&at.join("runs/a/checkpoints/epoch_0001")).expect("a checkpoint");
    let average = saved.average.expect("an average");
    assert_eq!(checkpoint::open(&at.join("runs/a")).expect("a model").weights, average);
    assert_ne!(saved.weights, average);
    let other = ["train", "--resume", "--name", "a", "--loss", "mse"];
    refuses(at, &other, 1, &["was made with --loss l1\nand cannot continue with --loss mse\n"]);
    // a training that is initialized from it inherits the likelihood, unless told otherwise
    train(at, "1", &["--name", "b", "--init", "runs/a"]);
    assert_eq!(checkpoint::open(&at.join("runs/b")).expect("a model").likelihood, wanted);
    train(at, "1", &["--name", "c", "--init", "runs/a", "--loss", "mse"]);
    let other = Likelihood { kind: LossKind::Mse, ..Likelihood::default() };
    assert_eq!(checkpoint::open(&at.join("runs/c")).expect("a model").likelihood, other);
}

/// Settings given with --resume persist: an average that was started is not dropped by the next resume.
#[test]
fn settings_given_with_resume_stay() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, "1", &["--name", "a"]);
    let resume = |more: &[&str]| {
        let args = [&["train", "--resume", "--name", "a"], more].concat();
        assert!(wgvae(at, &args).status.success(), "{args:?}");
    };
    resume(&["--epochs", "2", "--ema", "0.9"]);
    resume(&["--epochs", "3"]);
    let saved = checkpoint::load(&at.join("runs/a/checkpoints/epoch_0003")).expect("a checkpoint");
    assert!(saved.average.is_some());
    assert_eq!(saved.state.config.optimizer.ema, Some(0.9));
}

#[test]
fn settings_without_effect_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    for (flags, wanted) in [
        (["--capacity", "10"], "--capacity: has no effect without --beta-schedule capacity"),
        (["--sigma", "0.2"], "--sigma: has no effect without --loss mse or --loss l1"),
        (["--beta-cycles", "3"], "--beta-cycles: has no effect without --beta-schedule cyclical"),
        (["--beta-epochs", "3"], "--beta-epochs: has no effect without"),
    ] {
        refuses(at, &[&["train"], &flags[..]].concat(), 2, &[wanted]);
    }
}

/// A checkpoint's pictures get the resize mode of its run.
#[test]
fn a_checkpoint_knows_how_its_pictures_became_square() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir(at.join("wide")).expect("folder");
    for i in 0..8u8 {
        let picture =
            image::RgbImage::from_fn(64, 16, |x, y| image::Rgb([4 * x as u8, 16 * y as u8, 30 * i]));
        picture.save(at.join(format!("wide/{i}.png"))).expect("a picture");
    }
    let sizes = ["--size", "16", "--hidden", "4", "--latent", "4", "--batch-size", "4", "--no-tune"];
    let run = ["train", "wide", "--name", "a", "--epochs", "1", "--resize", "cover"];
    assert!(wgvae(at, &[&run[..], &sizes].concat()).status.success());
    let sheet = |model: &str, more: &[&str]| {
        let args = ["reconstruct", model, "wide/0.png", "--out", "sheet.png"];
        assert!(wgvae(at, &[&args[..], more].concat()).status.success());
        image::open(at.join("sheet.png")).expect("a sheet").into_rgb8()
    };
    let checkpoint = "runs/a/checkpoints/epoch_0001";
    assert!(sheet("runs/a", &[]) == sheet(checkpoint, &[]));
    assert!(sheet("runs/a", &[]) != sheet(checkpoint, &["--resize", "stretch"]));
}

#[test]
fn a_likelihood_that_is_not_known_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("m.safetensors");
    let config = ModelConfig::reference(16, 2, 3);
    let weights = StateDict::initial(&config, 1);
    let likelihood = Likelihood { kind: LossKind::Mse, sigma: Sigma::Fixed(0.5) };
    checkpoint::write_model(&path, &weights, (config, likelihood)).expect("written");
    let bytes = std::fs::read(&path).expect("a file");
    let at = bytes.windows(7).position(|seven| seven == b"mse 0.5").expect("the likelihood");
    for (wrong, shown) in [(b"mst 0.5", "mst 0.5"), (b"mse 0.x", "mse 0.x"), (b"mse nan", "mse nan")] {
        let mut bytes = bytes.clone();
        bytes[at..at + 7].copy_from_slice(wrong);
        std::fs::write(&path, &bytes).expect("written");
        let said = checkpoint::open(&path).expect_err("refused").to_string();
        assert!(said.contains(shown) && said.contains("not known here"), "{said}");
    }
}
