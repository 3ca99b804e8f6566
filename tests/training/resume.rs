//! `--resume` with the arguments that users type, and allowed changes of settings.

use std::path::Path;

use crate::common;
use crate::common::program::{all_said as said, refuses, text, wgvae};

const SMALL: [&str; 11] =
    ["train", "--size", "16", "--hidden", "4", "--latent", "4", "--batch-size", "4", "--no-tune", "--seed=2"];

fn train(folder: &Path, more: &[&str]) -> String {
    said(folder, &[&SMALL[..], &["--landscapes", "16"], more].concat())
}

/// The lines of a kind in a run's metrics.
fn lines(run: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("json"));
    lines.filter(|line: &serde_json::Value| line["kind"] == kind).collect()
}

fn figures(run: &Path, name: &str) -> Vec<f64> {
    lines(run, "step").iter().map(|line| line[name].as_f64().expect("a figure")).collect()
}

#[test]
fn a_run_is_named_as_everyone_types_it() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, &["--name", "a", "--epochs", "1"]);
    train(at, &["--name", "b", "--epochs", "1"]);
    // b is the newest run
    for (run, epochs) in
        [("runs/a", "2"), ("a", "3"), ("runs/a/checkpoints", "4"), ("runs/a/config.toml", "5")]
    {
        let said = said(at, &["train", "--resume", run, "--epochs", epochs]);
        assert!(said.contains("resuming a from runs/a/checkpoints/epoch_"), "{run}: {said}");
    }
    let said = said(at, &["train", "--resume=runs/a/checkpoints/last", "--epochs", "6"]);
    assert!(said.contains("resuming a from"), "{said}");
    assert!(!at.join("runs/b/checkpoints/epoch_0002").exists() && !at.join("runs/a-2").exists());
    let said = self::said(at, &["train", "--resume", "latest", "--epochs", "7"]);
    assert!(said.contains("resuming a from"), "{said}");
    refuses(at, &["train", "--resume", "runs/c"], 1, &["runs/c: there is no such run", "runs has a, b"]);
    refuses(at, &["train", "--resume", "a", "--name", "b"], 2, &["name one run"]);
    // a run is named after its folder of pictures, which exists here
    std::fs::create_dir(at.join("a")).expect("folder");
    let said = self::said(at, &["train", "--resume", "a", "--epochs", "8"]);
    assert!(said.contains("resuming a from"), "{said}");
    refuses(at, &["train", "--resume", "a", "--init", "runs/b"], 2, &["give one of them"]);
    assert!(wgvae(at, &["sample", "runs/a/checkpoints/best"]).status.success());
    std::fs::create_dir(at.join("photos")).expect("folder");
    refuses(at, &["train", "--resume", "photos"], 2, &["neither a run nor a checkpoint", "before --resume"]);
}

/// Resuming from an older checkpoint of a run does not overwrite the run.
#[test]
fn an_older_checkpoint_begins_a_new_run() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, &["--name", "a", "--epochs", "3"]);
    let third = at.join("runs/a/checkpoints/epoch_0003/model.safetensors");
    let before = std::fs::read(&third).expect("a model");
    let said = said(at, &["train", "--resume", "runs/a/checkpoints/epoch_0001", "--epochs", "3"]);
    assert!(said.contains("in a new run, runs/a-2"), "{said}");
    assert!(before == std::fs::read(&third).expect("a model"), "the run that it comes from has changed");
    // repeated steps give identical bits, and one line of metrics each
    let model = std::fs::read(at.join("runs/a-2/checkpoints/epoch_0003/model.safetensors")).expect("a model");
    assert!(before == model, "the new run differs from the old one");
    assert_eq!(figures(&at.join("runs/a"), "loss"), figures(&at.join("runs/a-2"), "loss"));
    // a checkpoint copied out of its run
    let alone = at.join("alone");
    std::fs::create_dir(&alone).expect("folder");
    for file in std::fs::read_dir(at.join("runs/a/checkpoints/epoch_0001")).expect("files").flatten() {
        std::fs::copy(file.path(), alone.join(file.file_name())).expect("copied");
    }
    let resumed =
        self::said(at, &["train", "--resume", "alone", "--landscapes", "16", "--epochs", "3", "--name", "c"]);
    assert!(resumed.contains("in a new run, runs/c"), "{resumed}");
    let model = std::fs::read(at.join("runs/c/checkpoints/epoch_0003/model.safetensors")).expect("a model");
    assert!(before == model, "the copied checkpoint went on otherwise");
}

#[test]
fn a_run_is_no_folder_of_photographs() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir_all(at.join("runs/a/checkpoints")).expect("folder");
    std::fs::create_dir_all(at.join("runs/a/samples")).expect("folder");
    std::fs::write(at.join("runs/a/config.toml"), "# wgvae 0.1.0: every setting of this run\n")
        .expect("written");
    // a project of another program
    std::fs::create_dir_all(at.join("other/checkpoints")).expect("folder");
    std::fs::create_dir_all(at.join("other/data")).expect("folder");
    std::fs::write(at.join("other/config.toml"), "name = \"other\"\n").expect("written");
    refuses(at, &["train", "other/data"], 1, &["no pictures"]);
    for data in ["runs/a", "runs/a/samples"] {
        refuses(
            at,
            &["train", data, "--resume"],
            2,
            &[data, "is a run, or is in one", "wgvae train --resume"],
        );
        refuses(at, &["train", data], 2, &["is a run, or is in one"]);
    }
}

/// One rule at every step of an epoch; losses on different pictures are never compared.
#[test]
fn other_pictures_need_a_flag() {
    if common::adapter().is_none() {
        return;
    }
    for within in [false, true] {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        train(at, &["--name", "a", "--epochs", "2", "--checkpoint-every", "3"]);
        if within {
            std::fs::remove_dir_all(at.join("runs/a/checkpoints/epoch_0002")).expect("removed");
        }
        let other = ["train", "--resume", "--name", "a", "--landscapes", "24", "--epochs", "3"];
        refuses(at, &other, 1, &["other training pictures", "--new-data"]);
        let said = said(at, &[&other[..], &["--new-data"]].concat());
        assert!(said.contains("continues with the new ones"), "{said}");
        assert_eq!(said.contains("epoch 2 starts again"), within, "{said}");
        assert!(said.contains("the best checkpoint is reset"), "{said}");
        let best: Vec<_> =
            lines(&at.join("runs/a"), "epoch").iter().map(|line| line["best"].clone()).collect();
        assert_eq!(best.len(), 3);
        // the first epoch on the new pictures is the best, regardless of its loss
        assert_eq!(best[if within { 1 } else { 2 }], true, "{best:?}");
    }
}

#[test]
fn schedules_do_not_jump_with_more_epochs() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let courses = ["--beta-schedule", "linear", "--lr-schedule", "cosine", "--keep", "all"];
    train(at, &[&["--name", "a", "--epochs", "4"], &courses[..]].concat());
    let resume = ["train", "--resume", "--name", "a", "--epochs", "8"];
    refuses(at, &resume, 2, &["the schedule of the learning rate has ended at 0", "--reschedule"]);
    let straight = at.join("runs/a");
    let (steps, lr) = (lines(&straight, "step").len() / 4, figures(&straight, "lr"));
    // from the middle: no jump, and the schedule ends with the new last epoch
    let said =
        said(at, &["train", "--resume", "runs/a/checkpoints/epoch_0002", "--epochs", "8", "--name", "b"]);
    assert!(said.contains("schedules continue from their current values"), "{said}");
    let longer = figures(&at.join("runs/b"), "lr");
    assert_eq!(longer.len(), 8 * steps);
    assert_eq!(longer[..=2 * steps], lr[..=2 * steps]);
    assert!(longer.is_sorted_by(|a, b| a > b), "{longer:?}");
    let beta = figures(&at.join("runs/b"), "beta");
    assert!(beta.is_sorted() && beta[beta.len() - 1] == 0.2, "{beta:?}");
    // a jump is reported
    let said = self::said(at, &[&resume[..], &["--reschedule"]].concat());
    assert!(
        said.contains("--reschedule: learning rate 0, beta 0.2000 becomes learning rate 5.000e-4"),
        "{said}"
    );
    assert!((figures(&straight, "lr")[4 * steps] - 5e-4).abs() < 1e-12);
}

#[test]
fn changed_settings_are_said() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    train(at, &["--name", "a", "--epochs", "1"]);
    let said = said(at, &["train", "--resume", "--name", "a", "--epochs", "2", "--lr", "0.01", "--flip"]);
    for change in ["--lr 0.001 to 0.01", "--flip false to true", "--epochs 1 to 2"] {
        assert!(said.contains(&format!("changed: {change}")), "{change}: {said}");
    }
    let unchanged = self::said(at, &["train", "--resume", "--name", "a", "--epochs", "3", "--lr", "0.01"]);
    assert!(!unchanged.contains("--lr") && !unchanged.contains("--flip"), "{unchanged}");
    refuses(
        at,
        &["train", "--resume", "--name", "a", "--preset", "laptop", "--epochs", "4"],
        2,
        &["--preset laptop", "--size 16"],
    );
}

#[test]
fn after_a_divergence_a_healthy_checkpoint_is_taken() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let diverges = |args: &[&str], wanted: &str| {
        let output = wgvae(at, args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Lower --lr") && said.contains(wanted), "{said}");
    };
    let sick =
        ["--landscapes", "16", "--name", "a", "--epochs", "3", "--lr", "1e8", "--checkpoint-every", "1"];
    diverges(&[&SMALL[..], &sick].concat(), "--resume goes on from the last checkpoint before that");
    let said = said(at, &["train", "--resume", "runs/a", "--lr", "1e-3"]);
    assert!(said.contains("passed over: runs/a/checkpoints/step_00000001"), "{said}");
    assert!(
        said.contains("moved to runs/a/diverged") && said.contains("starts from the first step"),
        "{said}"
    );
    assert!(at.join("runs/a/diverged/step_00000001").is_dir());
    // with a checkpoint from before the divergence
    diverges(&["train", "--resume", "runs/a", "--lr", "1e8", "--epochs", "5"], "--resume goes on");
    let resumed = self::said(at, &["train", "--resume", "runs/a", "--lr", "1e-3"]);
    assert!(resumed.contains("resuming a from runs/a/checkpoints/epoch_0003"), "{resumed}");
    let losses = figures(&at.join("runs/a"), "loss");
    assert!(losses.iter().all(|loss| *loss < 2.0 * losses[0]), "{losses:?}");
    // without any checkpoint there is no advice to resume
    diverges(
        &[&SMALL[..], &["--landscapes", "16", "--name", "b", "--lr", "1e8"]].concat(),
        "no checkpoint yet",
    );
}

/// Started as by a batch system: simultaneously, and without names.
#[test]
fn trainings_that_start_together_take_two_names() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let args = [&SMALL[..], &["--landscapes", "200", "--epochs", "1"]].concat();
    let all: Vec<_> = std::thread::scope(|scope| {
        let one = || scope.spawn(|| wgvae(at, &args));
        let all = [one(), one(), one()];
        all.into_iter().map(|one| one.join().expect("ended")).collect()
    });
    for output in &all {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for name in ["landscapes", "landscapes-2", "landscapes-3"] {
        assert!(at.join("runs").join(name).join("checkpoints/epoch_0001").is_dir(), "{name}");
    }
}

#[test]
fn a_training_that_cannot_begin_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir(at.join("empty")).expect("folder");
    for args in [&["train", "nowhere"][..], &["train", "empty"], &["train", "--size", "17"]] {
        assert!(!wgvae(at, args).status.success(), "{args:?}");
        assert!(!at.join("runs").exists() && !at.join("samples").exists(), "{args:?}");
    }
}

/// Pictures are for inspection only: if they cannot be written, the training continues.
#[test]
fn pictures_that_cannot_be_written_do_not_end_a_training() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::create_dir_all(at.join("samples/a_sample_epoch_0001.png/taken")).expect("folder");
    let said = train(at, &["--name", "a", "--epochs", "2"]);
    assert!(said.contains("the training goes on without these pictures"), "{said}");
    assert!(at.join("runs/a/checkpoints/epoch_0002").is_dir());
    assert!(at.join("samples/a_sample_epoch_0002.png").is_file());
}

/// By default the best, the last and a few checkpoints are kept; their size is reported.
#[test]
fn a_few_checkpoints_stay() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let there = |name: &str| {
        let entries =
            std::fs::read_dir(at.join("runs").join(name).join("checkpoints")).expect("read").flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    // the loss never falls: the best epoch is the first
    let still = ["--lr", "1e-30", "--epochs", "6", "--name"];
    let said = train(at, &[&still[..], &["a"]].concat());
    assert_eq!(there("a"), ["epoch_0001", "epoch_0004", "epoch_0005", "epoch_0006"]);
    assert!(said.contains("for checkpoints (--keep few)") && said.contains("are free"), "{said}");
    train(at, &[&still[..], &["b", "--keep", "all"]].concat());
    assert_eq!(there("b").len(), 6);
    train(at, &[&still[..], &["c", "--keep", "1"]].concat());
    assert_eq!(there("c"), ["epoch_0001", "epoch_0006"]);
    refuses(at, &["train", "--keep", "0"], 2, &["--keep", "few, or all"]);
}
