//! `wgvae runs` and `wgvae cache`: what they tell of any folder, and what they remove.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use crate::common;
use crate::common::program::{CACHE, all_said, refuses, said, text, wgvae};

/// Copies a finished run of one epoch as `runs/NAME`.
fn place(at: &Path, name: &str) -> std::path::PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/format_4/run");
    let to = at.join("runs").join(name);
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.path().strip_prefix(&from).expect("below"));
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("folder");
        } else {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
    to
}

fn with_epochs(run: &Path, epochs: u32) {
    let path = run.join("config.toml");
    let text = fs::read_to_string(&path).expect("settings");
    fs::write(&path, text.replace("epochs = 1\n", &format!("epochs = {epochs}\n"))).expect("written");
}

fn json(at: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&said(at, args)).expect("JSON")
}

#[test]
fn every_state_of_a_run_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(said(at, &["runs"]).contains("no runs in runs"));
    assert!(!at.join("runs").exists());
    place(at, "done");
    with_epochs(&place(at, "more"), 5);
    let limited = place(at, "limited");
    with_epochs(&limited, 5);
    let settings = fs::read_to_string(limited.join("config.toml")).expect("settings");
    fs::write(limited.join("config.toml"), settings + "max-steps = 3\n").expect("written");
    let cut = place(at, "cut").join("checkpoints/epoch_0001/model.safetensors");
    File::options().write(true).open(&cut).expect("a model").set_len(100).expect("cut");
    let lost = place(at, "lost");
    fs::write(lost.join("config.toml"), "size = [").expect("written");
    let sick = place(at, "sick");
    with_epochs(&sick, 5);
    let line = "{\"kind\":\"diverged\",\"step\":4,\"epoch\":2}\n";
    fs::write(sick.join("metrics.jsonl"), line).expect("written");
    let busy = place(at, "busy");
    let lock = File::create(busy.join("lock")).expect("a lock");
    lock.lock().expect("locked");
    fs::create_dir_all(at.join("runs/photographs")).expect("folder");
    #[cfg(unix)]
    place(at, "\u{1b}[2J<b>x");

    let list = json(at, &["runs", "--json"]);
    let state = |name: &str| {
        let run = list.as_array().expect("a list").iter().find(|run| run["name"] == name).expect(name);
        (run["state"].as_str().expect("a state"), run["continue"].as_str())
    };
    assert_eq!(state("done"), ("finished", Some("wgvae train --resume --name done --epochs 2")));
    assert_eq!(state("more"), ("interrupted", Some("wgvae train --resume --name more")));
    let more_steps = "wgvae train --resume --name limited --max-steps 6";
    assert_eq!(state("limited"), ("interrupted", Some(more_steps)));
    assert_eq!(state("cut"), ("damaged", None));
    assert_eq!(state("lost").0, "damaged");
    assert_eq!(state("sick"), ("diverged", Some("wgvae train --resume --name sick --lr 1e-4")));
    assert_eq!(state("busy"), ("running", None));
    let done = list.as_array().expect("a list").iter().find(|run| run["name"] == "done").expect("a run");
    assert_eq!((&done["epochs_done"], &done["epochs"], &done["size"]), (&1.into(), &1.into(), &16.into()));
    assert_eq!(done["best"]["name"], "epoch_0001");
    assert!(done["bytes"].as_u64().is_some_and(|bytes| bytes > 33_000), "{done}");

    let output = wgvae(at, &["runs"]);
    let table = text(&output.stdout);
    for part in ["done", "1/1", "537.2", "finished", "interrupted", "damaged", "diverged", "running"] {
        assert!(table.contains(part), "{part:?} is missing in: {table}");
    }
    assert!(!table.contains('\u{1b}') && !table.contains("photographs"), "{table:?}");
    assert!(table.contains("continue with: wgvae train --resume --name more\n"), "{table}");
    let rows = table.lines().take_while(|line| !line.starts_with("continue"));
    assert!(rows.clone().count() >= 7 && rows.clone().all(|row| row.chars().count() <= 80), "{table}");
    assert!(text(&output.stderr).contains("it has 100 bytes"), "{}", text(&output.stderr));
    // looking has changed nothing, and made no lock
    assert!(!at.join("runs/done/lock").exists());
}

#[test]
fn one_run_is_shown() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    place(at, "a");
    let shown = said(at, &["runs", "show", "a"]);
    for part in [
        "runs/a: finished, 1 of 1 epochs, step 3",
        "llvmpipe",
        "built-in landscapes",
        "lr-schedule=plateau",
        "epoch_0001     step         3",
        "best loss   537.2 nats per image, epoch_0001",
        "prior       N(0, I)",
        "longer      wgvae train --resume --name a --epochs 2",
        "pictures    wgvae sample runs/a",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    assert!(shown == said(at, &["runs", "show", "runs/a"]));
    let all = json(at, &["runs", "show", "a", "--json"]);
    assert_eq!(all["settings"]["lr"], 0.001);
    assert_eq!((&all["checkpoints"][0]["step"], &all["checkpoints"][0]["best"]), (&3.into(), &true.into()));
    assert_eq!(all["last_epoch"]["kind"], "epoch");
    refuses(at, &["runs", "show", "b"], 1, &["b: there is no such run", "runs has a"]);
    fs::rename(at.join("runs"), at.join("others")).expect("renamed");
    let elsewhere = said(at, &["runs", "--runs", "others", "show", "a"]);
    assert!(elsewhere.contains("wgvae train --resume --name a --runs \"others\""), "{elsewhere}");
}

/// The names of a run's checkpoints.
fn checkpoints(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).expect("checkpoints").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn checkpoints_that_are_not_kept_are_removed() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    // the loss never falls: the best epoch is the first
    let still =
        ["train", "--size", "16", "--hidden", "4", "--latent", "4", "--landscapes", "16", "--lr", "1e-30"];
    said(at, &[&still[..], &["--epochs", "6", "--keep", "all", "--name", "a", "--no-tune"]].concat());
    let run = at.join("runs/a");
    let all = checkpoints(&run);
    assert_eq!(all.len(), 6);
    let would = said(at, &["runs", "prune", "--keep", "best", "--dry-run"]);
    assert!(would.contains("would remove runs/a/checkpoints/epoch_0002"), "{would}");
    assert!(would.contains("4 checkpoints of 1 run, ") && would.contains("would be free"), "{would}");
    assert_eq!(checkpoints(&run), all);

    let lock = File::create(run.join("lock")).expect("a lock");
    lock.lock().expect("locked");
    refuses(at, &["runs", "prune", "a", "--keep", "best"], 2, &["another process is training runs/a"]);
    // without a name, the run is passed over
    let told = all_said(at, &["runs", "prune", "--keep", "best"]);
    assert!(told.contains("another process is training runs/a") && told.contains("0 checkpoints"), "{told}");
    assert_eq!(checkpoints(&run), all);
    drop(lock);

    let few = said(at, &["runs", "prune", "a", "--keep", "few"]);
    assert!(few.contains("2 checkpoints of 1 run"), "{few}");
    assert_eq!(checkpoints(&run), ["epoch_0001", "epoch_0004", "epoch_0005", "epoch_0006"]);
    let freed = json(at, &["runs", "prune", "runs/a", "--keep", "best", "--json"]);
    assert_eq!(freed["removed"].as_array().map(Vec::len), Some(2));
    assert!(freed["freed"].as_u64().is_some_and(|bytes| bytes > 10_000), "{freed}");
    assert_eq!(checkpoints(&run), ["epoch_0001", "epoch_0006"]);
    assert!(
        said(at, &["verify", "runs/a", "--steps", "1"]).contains("2 checkpoints, all files are undamaged")
    );
    refuses(at, &["runs", "prune", "a"], 2, &["--keep"]);
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    assert!(said(at, &["cache", "clear"]).contains("nothing to remove"));
    for (name, bytes) in [("pictures", 3000), ("pipelines", 200), ("other", 10)] {
        fs::create_dir_all(at.join(CACHE).join(name)).expect("folder");
        fs::write(at.join(CACHE).join(name).join("file"), vec![0; bytes]).expect("written");
    }
    let shown = said(at, &["cache", "show"]);
    for part in ["2.9 KiB", "1 file", "decoded pictures", "3.1 KiB  in all", "cache/tuning"] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    let all = json(at, &["cache", "show", "--json"]);
    assert_eq!((&all[0]["bytes"], &all[1]["files"]), (&3000.into(), &1.into()));
    refuses(at, &["cache", "clear"], 2, &["no terminal to ask on; give --force"]);
    assert!(at.join(CACHE).join("pictures/file").is_file());
    assert!(said(at, &["cache", "clear", "pipelines", "--force"]).contains("removed 200 B"));
    assert!(!at.join(CACHE).join("pipelines").exists() && at.join(CACHE).join("pictures/file").is_file());
    said(at, &["cache", "clear", "--force"]);
    assert!(!at.join(CACHE).join("pictures").exists());
    // files of others stay
    assert!(at.join(CACHE).join("other/file").is_file());
}
