//! The drawn split: among readable pictures, with near-duplicates on one side.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};
use wgvae::data::{
    Dataset, Divided, FolderIndex, Item, Resize, Rules, ScanOptions, Source, check, prepare_folder, scan,
    scan_with,
};

use crate::helpers::{QUIET, encode, names, put};

const SIZE: u32 = 32;

/// A landscape that differs from those of other seeds.
fn photo(seed: u64) -> DynamicImage {
    RgbImage::from_raw(96, 96, wgvae::data::landscape(seed, 0, 96).0).unwrap().into()
}

/// `count` photographs named `0000.jpg` and so on.
fn photos(root: &Path, count: u64) {
    for i in 0..count {
        put(root.join(format!("{i:04}.jpg")), encode(&photo(i), ImageFormat::Jpeg));
    }
}

fn options(seed: u64) -> ScanOptions {
    ScanOptions { seed, ..ScanOptions::default() }
}

fn divide(root: &Path, options: &ScanOptions) -> Divided {
    let dataset = scan_with(root, options).unwrap();
    prepare_folder(dataset, (SIZE, Resize::Stretch.into()), 1 << 30, None, QUIET).unwrap()
}

fn counts(set: &FolderIndex) -> (usize, usize, usize) {
    (set.train.len(), set.validation.len(), set.test.len())
}

#[test]
fn broken_pictures_are_drawn_for_nothing() {
    let root = tempfile::tempdir().unwrap();
    photos(root.path(), 64);
    for i in 0..23 {
        let whole = fs::read(root.path().join(format!("{i:04}.jpg"))).unwrap();
        put(root.path().join(format!("broken{i}.jpg")), &whole[..whole.len() / 2]);
    }
    for seed in 0..10 {
        let found = divide(root.path(), &options(seed));
        assert_eq!(counts(&found.dataset), (58, 3, 3), "seed {seed}");
        assert_eq!((found.train.len(), found.skipped.len()), (58, 23));
        assert_eq!(found.validation.unwrap().len(), 3);
        let report = check(root.path(), &options(seed), QUIET).unwrap();
        let of_report: Vec<usize> = report.splits.iter().map(|split| split.per_class[0]).collect();
        assert_eq!((of_report, report.damaged, report.obstacle()), (vec![58, 3, 3], 23, None));
    }
    // more damaged pictures than whole ones
    (4..64).for_each(|i| fs::remove_file(root.path().join(format!("{i:04}.jpg"))).unwrap());
    let dataset = scan(root.path(), 0).unwrap();
    let error = prepare_folder(dataset, (SIZE, Resize::Stretch.into()), 1 << 30, None, QUIET)
        .unwrap_err()
        .to_string();
    assert!(error.contains("23 of 27 pictures cannot be read"), "{error}");
    let report = check(root.path(), &options(0), QUIET).unwrap();
    assert!(report.obstacle().is_some() && report.verdict().starts_with("cannot be trained on"), "{report}");
}

#[test]
fn pictures_saved_again_stay_with_their_like() {
    let root = tempfile::tempdir().unwrap();
    photos(root.path(), 60);
    // a third of them again: unchanged, smaller, in another format, brighter
    for i in 0..20 {
        let (photo, at) = (photo(i), |ending: &str| root.path().join(format!("again{i:04}.{ending}")));
        match i % 4 {
            0 => put(at("jpg"), encode(&photo, ImageFormat::Jpeg)),
            1 => put(at("jpg"), encode(&photo.thumbnail(64, 64), ImageFormat::Jpeg)),
            2 => put(at("png"), encode(&photo, ImageFormat::Png)),
            _ => put(at("jpg"), encode(&photo.brighten(12), ImageFormat::Jpeg)),
        };
    }
    let mut apart_by_name = 0;
    for seed in 0..12 {
        let found = divide(root.path(), &options(seed)).dataset;
        let side: HashMap<String, usize> = [&found.train, &found.validation, &found.test]
            .into_iter()
            .enumerate()
            .flat_map(|(side, list)| {
                names(list).into_iter().map(move |name| (name[..name.len() - 4].to_owned(), side))
            })
            .collect();
        assert_eq!(side.len(), 80);
        for i in 0..20 {
            assert_eq!(side[&format!("{i:04}")], side[&format!("again{i:04}")], "picture {i}, seed {seed}");
        }
        assert_eq!(counts(&found), (72, 4, 4), "seed {seed}");
        let note = found.notes.iter().find(|note| note.starts_with("40 pictures are equal or nearly equal"));
        assert!(note.is_some(), "{:?}", found.notes);
        let report = check(root.path(), &options(seed), QUIET).unwrap();
        assert_eq!((report.duplicates, report.near_duplicates), (5, 15));
        assert_eq!((report.across_splits, report.near_across_splits), (0, 0));
        let by_name =
            check(root.path(), &ScanOptions { rules: Rules::First, ..options(seed) }, QUIET).unwrap();
        apart_by_name += by_name.across_splits + by_name.near_across_splits;
    }
    assert!(apart_by_name > 0, "the first rules kept them together by chance");
}

#[test]
fn flat_pictures_are_not_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..40u8 {
        let flat = RgbImage::from_pixel(8, 8, image::Rgb([i, 2 * i, 200]));
        put(root.path().join(format!("{i:02}.png")), encode(&flat.into(), ImageFormat::Png));
    }
    let found = divide(root.path(), &options(0)).dataset;
    assert_eq!((counts(&found), found.notes.len()), ((36, 2, 2), 0), "{:?}", found.notes);
}

#[test]
fn a_series_is_cut_at_its_end() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..40 {
        put(root.path().join(format!("{i:02}.png")), encode(&photo(1).brighten(i / 4), ImageFormat::Png));
    }
    let found = divide(root.path(), &options(0)).dataset;
    assert_eq!(names(&found.validation), ["38.png", "39.png"]);
    assert!(found.notes.iter().any(|note| note.contains("too many for one side")), "{:?}", found.notes);
}

#[test]
fn of_whole_and_different_pictures_the_names_decide_as_ever() {
    let root = tempfile::tempdir().unwrap();
    photos(root.path(), 50);
    for seed in [0, 7] {
        let by_name = scan(root.path(), seed).unwrap();
        let found = divide(root.path(), &options(seed));
        assert_eq!(
            (&found.dataset.train, &found.dataset.validation, &found.dataset.test),
            (&by_name.train, &by_name.validation, &by_name.test)
        );
        let first = divide(root.path(), &ScanOptions { rules: Rules::First, ..options(seed) });
        assert_eq!(found.train.fingerprint(), first.train.fingerprint());
    }
}

/// A run that began with the first rules must keep its pictures: the digest of the list drawn by the names.
#[test]
fn the_first_rules_draw_by_names_alone() {
    let root = tempfile::tempdir().unwrap();
    photos(root.path(), 30);
    for i in 0..10 {
        put(root.path().join(format!("again{i}.jpg")), encode(&photo(i), ImageFormat::Jpeg));
        put(root.path().join(format!("cut{i}.jpg")), &encode(&photo(i), ImageFormat::Jpeg)[..300]);
    }
    let options = ScanOptions { rules: Rules::First, ..options(3) };
    let found = divide(root.path(), &options);
    let FolderIndex { root: at, train, validation, .. } = scan_with(root.path(), &options).unwrap();
    let alone = |items: Vec<Item>| {
        let source = Source::Folder { root: at.clone(), items, how: Resize::Stretch.into() };
        Dataset::prepare(source, SIZE, 0, QUIET).unwrap()
    };
    let (train, validation) = (alone(train), alone(validation));
    assert_eq!(found.train.fingerprint(), train.fingerprint());
    assert_eq!((found.train.len(), found.train.skipped()), (train.len(), train.skipped()));
    assert_eq!(found.validation.as_ref().unwrap().fingerprint(), validation.fingerprint());
    assert_eq!((0..train.len()).map(|i| train.name(i)).collect::<Vec<_>>(), {
        (0..found.train.len()).map(|i| found.train.name(i)).collect::<Vec<_>>()
    });
    for i in 0..train.len() {
        assert_eq!(found.train.get(i).unwrap(), train.get(i).unwrap());
    }
}

#[test]
fn validation_pictures_that_are_all_broken_are_replaced() {
    let root = tempfile::tempdir().unwrap();
    photos(&root.path().join("train/a"), 40);
    photos(&root.path().join("test/a"), 3);
    for i in 0..3 {
        put(root.path().join(format!("val/a/{i}.jpg")), &encode(&photo(100 + i), ImageFormat::Jpeg)[..300]);
    }
    let found = divide(root.path(), &options(0));
    assert_eq!((counts(&found.dataset), found.skipped.len()), ((38, 2, 3), 3));
    assert!(found.dataset.notes.iter().any(|note| note.contains("none of the validation pictures")));
    let report = check(root.path(), &options(0), QUIET).unwrap();
    assert_eq!(report.splits.iter().map(|split| split.per_class[0]).collect::<Vec<_>>(), [38, 2, 3]);
    // a single readable one is enough
    photos(&root.path().join("val/a"), 1);
    assert!(!divide(root.path(), &options(0)).dataset.split_made);
}

#[test]
fn memory_and_cache_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    photos(&root.path().join("pictures"), 45);
    for i in 0..9 {
        put(root.path().join(format!("pictures/again{i}.png")), encode(&photo(i), ImageFormat::Png));
    }
    let cache = wgvae::data::Cache::new(root.path().join("cache"));
    let with = |budget: u64, cache: Option<&wgvae::data::Cache>| {
        let dataset = scan(&root.path().join("pictures"), 0).unwrap();
        let found = prepare_folder(dataset, (SIZE, Resize::Stretch.into()), budget, cache, QUIET).unwrap();
        let lists = [found.train.fingerprint(), found.validation.unwrap().fingerprint()];
        (lists, found.dataset.notes, found.train.prepared().decoded)
    };
    let all = with(1 << 30, None);
    assert_eq!(with(0, None), all);
    assert_eq!(with(10 * 3 * u64::from(SIZE * SIZE), Some(&cache)), all);
    let again = with(0, Some(&cache));
    assert_eq!((&again.0, &again.1, again.2), (&all.0, &all.1, 0), "nothing is decoded again");
}

#[test]
fn a_given_split_that_repeats_pictures_is_told() {
    let root = tempfile::tempdir().unwrap();
    photos(&root.path().join("train"), 12);
    photos(&root.path().join("val"), 3);
    let notes = divide(root.path(), &options(0)).dataset.notes.join("\n");
    assert!(
        notes.contains("3 of the 3 validation pictures equal or nearly equal training pictures"),
        "{notes}"
    );
    for i in 0..3 {
        fs::remove_file(root.path().join(format!("train/{i:04}.jpg"))).unwrap();
    }
    let notes = divide(root.path(), &options(0)).dataset.notes.join("\n");
    assert!(!notes.contains("nearly equal"), "{notes}");
}
