//! Trainings that end before their last epoch, that only say what they would do, and several of them in a row.

use std::path::Path;

use crate::common;
use crate::common::program::{all_said as said, refuses, text, wgvae};

const SMALL: [&str; 15] = [
    "train",
    "--size",
    "16",
    "--hidden",
    "4",
    "--latent",
    "4",
    "--batch-size",
    "4",
    "--no-tune",
    "--seed=2",
    "--landscapes",
    "16",
    "--lr-schedule",
    "cosine",
];

fn train(folder: &Path, more: &[&str]) -> String {
    said(folder, &[&SMALL[..], more].concat())
}

fn model(run: &Path, name: &str) -> Vec<u8> {
    std::fs::read(run.join("checkpoints").join(name).join("model.safetensors")).expect("a model")
}

/// Steps of all runs are of epochs of 4: within one, at its end, and beyond the last.
#[test]
fn a_training_ends_at_its_steps_and_goes_on_with_more() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, &["--name", "whole", "--epochs", "3"]);
    let end = train(at, &["--name", "a", "--epochs", "3", "--max-steps", "6"]);
    assert!(end.contains("ended by --max-steps; wrote runs/a/checkpoints/step_00000006"), "{end}");
    assert!(end.contains("continue with: wgvae train --resume --name a --max-steps 12"), "{end}");
    assert!(end.contains("6 in all: 3 epochs of 4, at most 6 (--max-steps)"), "{end}");
    let again = said(at, &["train", "--resume", "a"]);
    assert!(again.contains("a has 6 of at most 6 steps; give more with --max-steps"), "{again}");
    let end = said(at, &["train", "--resume", "a", "--max-steps", "8"]);
    assert!(end.contains("ended by --max-steps; wrote runs/a/checkpoints/epoch_0002"), "{end}");
    let end = said(at, &["train", "--resume", "a", "--max-steps", "100"]);
    assert!(!end.contains("ended by") && end.contains("epoch 3/3"), "{end}");
    let whole = model(&at.join("runs/whole"), "epoch_0003");
    assert!(whole == model(&at.join("runs/a"), "epoch_0003"), "the steps in parts differ from those at once");
    refuses(at, &[&SMALL[..], &["--max-steps", "0"]].concat(), 2, &["--max-steps 0"]);
}

#[test]
fn a_training_ends_at_its_time() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    // over before the first step, so that it ends after it
    let end = train(at, &["--name", "a", "--epochs", "500", "--max-time", "1ms"]);
    assert!(end.contains("ended by --max-time; wrote runs/a/checkpoints/step_00000001"), "{end}");
    // the limit is the run's, for each command
    let end = said(at, &["train", "--resume", "a"]);
    assert!(end.contains("ended by --max-time; wrote runs/a/checkpoints/step_00000002"), "{end}");
    let end = said(at, &["train", "--resume", "a", "--max-time", "2h", "--epochs", "1"]);
    assert!(end.contains("epoch 1/1") && !end.contains("ended by"), "{end}");
    refuses(at, &["train", "--max-time", "8"], 2, &["--max-time", "such as 90m, 8h or 1h30m"]);
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    all.map(|entry| entry.path().to_path_buf()).filter(|path| !path.ends_with("lock")).collect()
}

#[test]
fn a_dry_run_tells_everything_and_leaves_nothing() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let told = train(at, &["--dry-run", "--epochs", "100"]);
    for part in [
        "15 for training, 1 for validation",
        "steps      400 in all: 100 epochs of 4; about ",
        "img/s, timed in 8 steps on random pictures)",
        "at most for checkpoints (--keep few)",
        "on the device",
        "run        runs/landscapes; nothing has been written: --dry-run",
    ] {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
    assert!(!told.contains("warning"), "{told}");
    assert!(!at.join("runs").exists() && !at.join("samples").exists());
    // an earlier run of the same kind has the figure
    train(at, &["--name", "a", "--epochs", "2"]);
    let before = files(&at.join("runs"));
    let told = train(at, &["--dry-run", "--epochs", "100"]);
    assert!(told.contains("img/s, as runs/a)") && !told.contains("random pictures"), "{told}");
    let told = said(at, &["train", "--dry-run", "--resume", "a", "--epochs", "5", "--reschedule"]);
    assert!(told.contains("20 in all, 12 to go: 5 epochs of 4"), "{told}");
    let told = said(at, &["train", "--dry-run", "--resume", "runs/a/checkpoints/epoch_0001"]);
    assert!(told.contains("8 in all, 4 to go"), "{told}");
    assert_eq!(files(&at.join("runs")), before);
}

/// Settings that will not go well are reported before the first step, with the flag that mends them.
#[test]
fn a_training_that_will_not_go_well_is_said_so() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let dry = |args: &[&str]| said(at, &[&["train", "--dry-run", "--no-tune"], args].concat());
    let tiny = ["--size", "16", "--hidden", "4", "--latent", "4"];
    let told = dry(&[&tiny[..], &["--landscapes", "100", "--batch-size", "64", "--epochs", "10"]].concat());
    assert!(told.contains("warning: 20 steps in all: too few"), "{told}");
    assert!(told.contains("give --batch-size 16 --epochs 167"), "{told}");
    assert!(
        told.contains("warning: 95 training pictures do not fill batches of 64: 26 % of the work"),
        "{told}"
    );
    assert!(told.contains("give --batch-size 48"), "{told}");
    let told = dry(&[&tiny[..], &["--landscapes", "42", "--batch-size", "64", "--epochs", "500"]].concat());
    assert!(
        told.contains("40 training pictures do not fill batches of 64") && told.contains("--batch-size 40")
    );
    assert!(!told.contains("too few"), "{told}");
    // as advised, nothing is left to say
    let told = dry(&[&tiny[..], &["--landscapes", "42", "--batch-size", "40", "--epochs", "1000"]].concat());
    assert!(!told.contains("warning"), "{told}");
    let pictures = at.join("photos");
    std::fs::create_dir(&pictures).expect("folder");
    for name in ["a", "b", "c"] {
        let picture =
            image::RgbImage::from_fn(20, 20, |x, y| image::Rgb([name.as_bytes()[0], x as u8, y as u8]));
        picture.save(pictures.join(format!("{name}.png"))).expect("written");
    }
    let told = dry(&[&tiny[..], &["photos", "--batch-size", "3", "--epochs", "1000"]].concat());
    assert!(told.contains("a model learns so few by heart"), "{told}");
}

#[test]
fn a_sweep_trains_every_value_and_goes_on_where_it_was() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let sweep = ["--name", "s", "--epochs", "2", "--sweep", "beta=0.05,1", "--sweep", "lr=1e-3,1e9"];
    let all = [&SMALL[..], &sweep].concat();
    let output = wgvae(at, &all);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "run 1 of 4: s-beta-0.05-lr-1e-3 (--beta 0.05 --lr 0.001)",
        "run 4 of 4: s-beta-1-lr-1e9",
        "best loss",
        "diverged",
        "losses of different --beta are different measures",
    ] {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
    let settings = std::fs::read_to_string(at.join("runs/s-beta-1-lr-1e-3/config.toml")).expect("settings");
    assert!(settings.contains("beta = 1.0") && settings.contains("lr = 0.001"), "{settings}");
    assert!(at.join("runs/s-beta-0.05-lr-1e-3/checkpoints/epoch_0002").is_dir());
    // a run that was interrupted goes on, and finished ones are left alone
    let short = ["--name", "t", "--epochs", "2", "--sweep", "beta=0.05,1"];
    let timed = [&SMALL[..], &short, &["--max-time", "1ms"]].concat();
    let told = said(at, &timed);
    assert!(told.contains("the sweep has not ended: the same command continues it"), "{told}");
    assert!(at.join("runs/t-beta-0.05").is_dir() && !at.join("runs/t-beta-1").exists(), "{told}");
    let told = said(at, &[&SMALL[..], &short, &["--max-time", "2h"]].concat());
    assert!(told.contains("resuming t-beta-0.05 from") && told.contains("run 2 of 2: t-beta-1"), "{told}");
    let told = said(at, &[&SMALL[..], &short, &["--max-time", "2h"]].concat());
    assert!(told.contains("t-beta-0.05 (--beta 0.05) has ended"), "{told}");
    assert!(!told.contains("adapter") && told.contains("finished"), "{told}");

    let refused = |args: &[&str], parts: &[&str]| refuses(at, &[&SMALL[..], args].concat(), 2, parts);
    refused(&["--sweep", "betta=1"], &["unknown key `betta`", "did you mean `beta`?"]);
    refused(&["--sweep", "lr=fast"], &["--sweep lr=fast", "expected f64"]);
    refused(&["--sweep", "beta"], &["must be KEY=VALUE"]);
    refused(&["--sweep", "name=a,b"], &["name: is not a setting of the training"]);
    refused(&["--beta", "1", "--sweep", "beta=1,2"], &["beta: is given more than once"]);
    refused(&["--sweep", "size=16,17"], &["given more than once"]);
    let other = ["--name", "t", "--epochs", "2", "--weight-decay", "0.1", "--sweep", "beta=0.05,1"];
    refused(&other, &["runs/t-beta-0.05 was trained with --weight-decay 0.0", "another --name"]);
}
