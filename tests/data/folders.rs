//! Layouts, splits, bad folders; image grids, the report, the landscapes as files; real photographs.

use std::fs;
use std::path::Path;

use image::ImageFormat;
use wgvae::data::{
    Layout, Resize, ScanOptions, check, decode, grid, landscape, load, printable, save_png, scan, write_synth,
};

use crate::common::report;
use crate::helpers::{QUIET, encode, fill, folder_source, names, plain, put, sides};

#[test]
fn the_reference_layout_and_plain_splits_are_found() {
    let cases = [
        (["Training Data", "Validation Data", "Testing Data"], Layout::Reference),
        (["training data", "VALIDATION DATA", "testing data"], Layout::Reference),
        (["train", "val", "test"], Layout::Splits),
        (["Train", "valid", "Test"], Layout::Splits),
        (["train", "Validation", "test"], Layout::Splits),
    ];
    for (folders, layout) in cases {
        let root = tempfile::tempdir().unwrap();
        fill(&root.path().join(folders[0]).join("Lake/deep/deeper"), 3);
        fill(&root.path().join(folders[0]).join("City"), 2);
        fill(&root.path().join(folders[1]).join("City"), 2);
        fill(&root.path().join(folders[2]).join("Lake"), 1);
        put(root.path().join("cover.png"), plain(1));
        let set = scan(root.path(), 1).unwrap();
        assert_eq!((set.layout, set.split_made), (layout, false));
        assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (5, 2, 1));
        assert_eq!(set.classes, ["City", "Lake"]);
        assert_eq!(set.train.iter().map(|item| item.label).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
        assert!(set.skipped.len() == 1 && set.skipped[0].reason.contains("outside"), "{:?}", set.skipped);
    }
}

#[test]
fn a_folder_alone_in_an_archive_is_entered() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("Landscapes/Landscapes/Training Data/Lake"), 3);
    let set = scan(root.path(), 1).unwrap();
    assert_eq!((set.layout, set.root), (Layout::Reference, root.path().join("Landscapes/Landscapes")));
}

#[test]
fn without_splits_a_seeded_one_is_made() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("a"), 30);
    fill(&root.path().join("b"), 30);
    let set = scan(root.path(), 7).unwrap();
    assert_eq!((set.layout, set.split_made), (Layout::Classes, true));
    assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (54, 3, 3));
    let again = scan(root.path(), 7).unwrap();
    assert_eq!((&set.train, &set.validation, &set.test), (&again.train, &again.validation, &again.test));
    assert_ne!(set.validation, scan(root.path(), 8).unwrap().validation);
    let mut all: Vec<_> = set.train.iter().chain(&set.validation).chain(&set.test).map(|i| &i.path).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 60);
}

#[test]
fn small_folders_and_missing_validation() {
    for (count, sizes) in [(1, (1, 0, 0)), (2, (1, 1, 0)), (19, (18, 1, 0)), (20, (18, 1, 1))] {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), count);
        let set = scan(root.path(), 0).unwrap();
        assert_eq!(set.layout, Layout::Plain);
        assert_eq!((set.train.len(), set.validation.len(), set.test.len()), sizes);
    }
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("train/x"), 40);
    fill(&root.path().join("test/x"), 5);
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.train.len(), set.validation.len(), set.test.len(), set.split_made), (38, 2, 5, true));
}

#[test]
fn files_are_judged_by_name_and_content() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fill(root.path(), 9);
    put(at("misnamed.txt"), plain(1));
    put(at("no_extension"), plain(1));
    put(at("notes.txt"), "BMW is a car, and this is no bitmap");
    put(at("table.csv"), "a,b");
    put(at("empty.txt"), "");
    put(at(".hidden.png"), plain(1));
    put(at(".cache/inside.png"), plain(1));
    put(at("zero.jpg"), "");
    put(at("garbage.jpeg"), "these are not the bytes of a picture");
    put(at("moving.gif"), "GIF89a..............");
    put(at("drawing.jp2"), b"\0\0\0\x0cjP  \r\n\x87\n");
    put(at("layers.jpg"), b"8BPS\0\x01");
    let set = scan(root.path(), 0).unwrap();
    let found = [set.train.as_slice(), &set.validation, &set.test].concat();
    assert_eq!(found.len(), 12);
    assert!(!names(&found).iter().any(|name| name.contains("hidden") || name.contains("inside")));
    assert_eq!(set.other_files, 3);
    let reasons: Vec<String> = set.left_out().map(ToString::to_string).collect();
    for (name, word) in
        [("zero", "empty"), ("garbage", "not a picture"), ("drawing", "JPEG 2000"), ("layers", "Photoshop")]
    {
        let line = reasons.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{reasons:?}"));
        assert!(line.contains(word), "{line}");
    }
    assert!(reasons.iter().any(|line| line.contains("jpg, png, heic")));
}

#[test]
fn unusable_folders_are_refused_with_reasons() {
    let root = tempfile::tempdir().unwrap();
    let said = |path: &Path| scan(path, 0).unwrap_err().to_string();
    assert!(said(&root.path().join("missing")).contains("cannot read"));
    assert!(said(root.path()).contains("no pictures"));
    let file = put(root.path().join("a.png"), plain(1));
    assert!(said(&file).contains("is a file"));
    for i in 0..7 {
        put(root.path().join(format!("bad{i}.jpg")), "nothing");
    }
    let text = said(root.path());
    assert!(text.contains("7 of 8 pictures cannot be read") && text.contains("and 2 more"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_in_circles_and_odd_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("a"), 4);
    std::os::unix::fs::symlink(root.path(), root.path().join("a/back")).unwrap();
    std::os::unix::fs::symlink(root.path().join("nowhere"), root.path().join("broken.jpg")).unwrap();
    std::os::unix::fs::symlink("itself.jpg", root.path().join("itself.jpg")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", root.path().join("endless.jpg")).unwrap();
    put(root.path().join("b").join(OsStr::from_bytes(b"caf\xe9\n\x1b[31m.png")), plain(9));
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 5);
    assert!(set.skipped.iter().any(|one| one.reason.contains("leads back")), "{:?}", set.skipped);
    assert_eq!(set.skipped.len(), 3, "{:?}", set.skipped);
    let source = folder_source(root.path());
    let name = source.name(4);
    assert_eq!(name, "b/caf\\u{fffd}\\n\\u{1b}[31m.png");
    assert_eq!(source.load(4, 2).unwrap().len(), 12);
    assert_eq!(printable(Path::new("über\u{202e}gpj.txt")), "über\\u{202e}gpj.txt");
}

#[test]
fn sheets_have_white_gaps_and_are_written_whole() {
    let pictures: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i * 10; 4 * 4 * 3]).collect();
    let sheet = grid(&pictures, 4, 3, 2);
    assert_eq!(sheet.dimensions(), (3 * 6 + 2, 2 * 6 + 2));
    assert_eq!(sheet.get_pixel(1, 1).0, [255; 3]);
    assert_eq!((sheet.get_pixel(2, 2).0, sheet.get_pixel(8, 8).0), ([0; 3], [40; 3]));
    assert_eq!(sheet.get_pixel(14, 8).0, [255; 3], "no sixth picture");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/sheet.png");
    save_png(&sheet, &path).unwrap();
    assert_eq!(image::open(&path).unwrap().into_rgb8(), sheet);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    // a file in place of a folder
    let error = save_png(&sheet, &path.join("below.png")).unwrap_err().to_string();
    assert!(error.contains("cannot create"), "{error}");
}

#[test]
fn the_report_counts_what_training_would_see() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("train/Lake\u{1b}[31m"), 4);
    fill(&root.path().join("train/City"), 3);
    put(root.path().join("val/City/wide.bmp"), encode(&crate::decode::quarters().into(), ImageFormat::Bmp));
    put(root.path().join("test/City/cut.png"), &plain(3)[..40]);
    put(root.path().join("train/notes.txt"), "hello");
    let report = check(root.path(), &ScanOptions::default(), QUIET).unwrap();
    assert_eq!(report.readable(), 8);
    assert_eq!(report.splits[0].per_class, [3, 4]);
    assert_eq!((report.formats["png"], report.formats["bmp"]), (7, 1));
    assert_eq!((report.widths, report.heights), (Some([4, 4, 32]), Some([3, 3, 16])));
    assert_eq!((report.duplicates, report.across_splits, report.other_files), (3, 0, 1));
    let text = report.to_string();
    println!("{text}");
    assert!(!text.contains('\u{1b}') && text.contains("cut.png: cannot be decoded"), "{text}");
    assert!(text.ends_with("can be trained on: 8 pictures, 1 left out"), "{text}");
}

#[test]
fn written_landscapes_are_a_reference_data_set() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("set");
    write_synth(&out, 40, 16, 3, QUIET).unwrap();
    let set = scan(&out, 0).unwrap();
    assert_eq!((set.layout, set.split_made), (Layout::Reference, false));
    assert_eq!((set.train.len(), set.validation.len(), set.test.len(), set.other_files), (36, 2, 2, 1));
    let table = fs::read_to_string(out.join("factors.csv")).unwrap();
    let (last, columns) = (table.lines().last().unwrap(), table.lines().next().unwrap().split(',').count());
    assert_eq!((table.lines().count(), last.split(',').count()), (41, columns));
    let file = out.join(last.split(',').next().unwrap());
    assert_eq!(sides(&file), (16, 16));
    assert_eq!(decode(&file).unwrap().rgb, landscape(3, 39, 16).0);
}

#[test]
fn real_photographs_all_load() {
    let Some(folder) = std::env::var_os("WGVAE_PHOTOS") else {
        report::left_out("WGVAE_PHOTOS does not name a folder of photographs");
        return;
    };
    let set = scan(Path::new(&folder), 0).unwrap();
    for item in set.train.iter().chain(&set.validation).chain(&set.test) {
        let pixels =
            load(&item.path, 64, Resize::Stretch).unwrap_or_else(|e| panic!("{}: {e}", item.path.display()));
        assert_eq!(pixels.len(), 64 * 64 * 3);
    }
    println!("{} photographs, {} skipped", set.len(), set.skipped.len());
}
