//! Messages of `data check` and `train` about a folder, and the effect of flags on them.

use std::fs;
use std::path::Path;

use crate::common;
use crate::common::program::{refuses, text, wgvae};

/// A photograph of `seed` as a PNG file.
fn photo(path: &Path, seed: u64) {
    fs::create_dir_all(path.parent().expect("folder")).expect("folder");
    let (size, rgb) = (32, wgvae::data::landscape(seed, 0, 32).0);
    wgvae::data::save_png(&wgvae::data::grid(&[rgb], size, 1, 0), path).expect("written");
}

fn photos(folder: &Path, seeds: std::ops::Range<u64>) {
    seeds.for_each(|seed| photo(&folder.join(format!("{seed:03}.png")), seed));
}

/// A file that is called a picture and is half of one.
fn half(folder: &Path, seed: u64) {
    let path = folder.join(format!("half{seed}.png"));
    photo(&path, seed);
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
}

fn succeeds(at: &Path, args: &[&str]) -> String {
    let output = wgvae(at, args);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{args:?}: {shown}{}", text(&output.stderr));
    shown
}

/// A training of a model that is as small as can be.
const TINY: [&str; 10] =
    ["--size", "16", "--hidden", "4", "--latent", "4", "--batch-size", "8", "--epochs", "1"];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train"], more, &TINY].concat()
}

#[test]
fn a_check_exits_as_its_words_say() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    photos(&at.join("few"), 0..4);
    (0..23).for_each(|seed| half(&at.join("few"), 100 + seed));
    let output = wgvae(at, &["data", "check", "few"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("cannot be trained on: more pictures are damaged (23) than can be read (4)"),
        "{shown}"
    );
    photos(&at.join("many"), 0..30);
    (0..10).for_each(|seed| half(&at.join("many"), 100 + seed));
    let shown = succeeds(at, &["data", "check", "many"]);
    assert!(shown.contains("can be trained on: 30 pictures, 10 left out"), "{shown}");
    (0..30).for_each(|seed| fs::write(at.join(format!("many/{seed}.CR3")), b"raw").expect("written"));
    let shown = succeeds(at, &["data", "check", "many"]);
    assert!(shown.contains("passed over 30 camera raw files"), "{shown}");
    refuses(at, &["data", "check", "many", "--splits", "all"], 2, &["auto, draw, or train=FOLDER"]);
    refuses(at, &["data", "check", "many", "--exclude", "[a"], 2, &["--exclude [a"]);
}

#[test]
fn a_training_says_what_it_has_decided() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    for (split, seeds) in [("seg_train", 0..16), ("seg_test", 16..20), ("seg_pred", 20..24)] {
        photos(&at.join("intel").join(split).join(split).join("forest"), seeds);
    }
    photos(&at.join("intel/@eaDir/000.png"), 0..3);
    let shown = succeeds(at, &train(&["intel"]));
    for part in [
        "15 for training, 1 for validation",
        "training seg_train/ (16 pictures); test seg_test/ (4 pictures); left out seg_pred/ (4 pictures)",
        "passed over 3 files in @eaDir",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    let named = "train=seg_train,train=seg_pred,val=seg_test";
    let shown = succeeds(at, &train(&["intel", "--splits", named]));
    assert!(shown.contains("20 for training, 4 for validation"), "{shown}");
    let settings = fs::read_to_string(at.join("runs/intel-2/config.toml")).expect("settings");
    assert!(
        settings.contains("splits = \"train=seg_train,train=seg_pred,validation=seg_test\""),
        "{settings}"
    );
    let shown = succeeds(at, &train(&["intel", "--exclude", "seg_test", "--exclude", "seg_pred"]));
    assert!(shown.contains("15 for training, 1 for validation"), "{shown}");
    let shown = succeeds(at, &train(&["intel", "--splits", "draw", "--include", "@eaDir"]));
    assert!(shown.contains("25 for training, 1 for validation"), "{shown}");
    refuses(at, &train(&["runs/intel"]), 2, &["is a run, or is in one"]);
}

/// 87 files, 23 of them broken, in the order that the seed gives.
#[test]
fn broken_pictures_do_not_end_a_training_by_where_they_lie() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    photos(&at.join("set"), 0..64);
    (0..23).for_each(|seed| half(&at.join("set"), 100 + seed));
    for seed in ["0", "1", "2", "3", "4"] {
        let shown = succeeds(at, &train(&["set", "--seed", seed]));
        assert!(shown.contains("58 for training, 3 for validation, 23 skipped"), "{shown}");
    }
}

/// A run that has no rules in its settings was begun by an earlier version, and goes on with the pictures it had.
#[test]
fn a_run_keeps_to_the_rules_that_it_began_with() {
    if common::adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    photos(&at.join("set/a"), 0..30);
    photos(&at.join("set/b"), 0..10);
    photos(&at.join("set/@eaDir"), 0..10);
    (0..5).for_each(|seed| half(&at.join("set/a"), 100 + seed));
    fs::write(at.join("first.toml"), "folder-rules = 1\n").expect("settings");
    let shown =
        succeeds(at, &train(&["set", "--name", "old", "--config", "first.toml", "--checkpoint-every", "2"]));
    assert!(shown.contains(" 5 skipped") || shown.contains(" 4 skipped"), "{shown}");
    let settings = at.join("runs/old/config.toml");
    let text = fs::read_to_string(&settings).expect("settings");
    assert!(text.contains("folder-rules = 1\n"), "{text}");
    fs::write(&settings, text.replace("folder-rules = 1\n", "")).expect("settings");
    // back into the middle of the epoch, where other pictures would be refused
    fs::remove_dir_all(at.join("runs/old/checkpoints/epoch_0001")).expect("checkpoint");
    let resumed = succeeds(at, &["train", "--resume", "--name", "old"]);
    assert!(resumed.contains("resuming old") && !resumed.contains("not those of the run"), "{resumed}");
    succeeds(at, &["verify", "runs/old"]);
    // a new run has the new rules, and names them
    let shown = succeeds(at, &train(&["set", "--name", "new"]));
    assert!(
        shown.contains("passed over 10 files in @eaDir") && shown.contains("20 pictures are equal"),
        "{shown}"
    );
    let text = fs::read_to_string(at.join("runs/new/config.toml")).expect("settings");
    assert!(text.contains("folder-rules = 2\n"), "{text}");
}

/// Files that are no pictures are named by their kinds, archives with the way to unpack them, and pictures in hidden folders
/// are counted; a damaged picture is described without words of the program's own parts.
#[test]
fn what_is_left_out_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    photos(&at.join("set"), 0..6);
    photo(&at.join("set/.old/inside.png"), 9);
    for name in ["a.txt", "b.TXT", "c.csv", "README", "photos.zip"] {
        fs::write(at.join("set").join(name), "text").expect("written");
    }
    let crc = at.join("set/crc.png");
    photo(&crc, 8);
    let mut bytes = fs::read(&crc).expect("read");
    // the checksum of the last chunk with pixels is before the 12 bytes of the end
    let checksum = bytes.len() - 13;
    bytes[checksum] ^= 1;
    fs::write(&crc, bytes).expect("written");
    let shown = succeeds(at, &["data", "check", "set"]);
    for part in [
        "other       5 files: 2 .txt, 1 without extension, 1 .csv, 1 .zip",
        "found 1 .zip file: unpack them first",
        "1 file (hidden folders)",
        "crc.png: cannot be decoded: ",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    assert!(!shown.contains("ChunkType"), "{shown}");
}
