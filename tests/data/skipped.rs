//! Skipped files and folders beside pictures: folders that are never data, previews, copies, masks, wgvae's own
//! pictures.

use std::fs;
use std::path::Path;

use wgvae::data::{Layout, ScanOptions, scan, scan_with};

use crate::helpers::{fill, plain, put};
use crate::layouts::{counts, tree};

/// The picture `seed`, with pixels that no other picture has.
fn photo(seed: u64) -> Vec<u8> {
    let rgb = wgvae::data::landscape(seed, 0, 32).0;
    let picture = image::RgbImage::from_raw(32, 32, rgb).unwrap();
    crate::helpers::encode(&picture.into(), image::ImageFormat::Jpeg)
}

#[test]
fn folders_that_are_never_data() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 10);
    for (folder, count) in [
        ("__MACOSX/a", 1),
        ("@eaDir/000.png", 4),
        ("lost+found", 2),
        ("$RECYCLE.BIN/S-1", 2),
        ("#recycle", 2),
        (".ipynb_checkpoints", 2),
        ("System Volume Information", 1),
        ("My.photoslibrary/resources/derivatives/1", 5),
        ("Previews.lrdata/1", 3),
        ("Thumbnails", 10),
        ("found.000", 1),
        ("runs/a/samples", 2),
    ] {
        fill(&root.path().join(folder), count);
    }
    fill(&root.path().join("My.photoslibrary/originals/1"), 2);
    put(root.path().join("runs/a/config.toml"), "# wgvae 0.1.0: every setting of this run\nsize = 16\n");
    put(root.path().join("samples/a_sample_epoch_0001.png"), plain(1));
    put(root.path().join("samples/sample_seed_0.png"), plain(1));
    let set = scan(root.path(), 0).unwrap();
    println!("{:?}", set.notes);
    assert_eq!((set.len(), set.skipped.len()), (12, 0), "{:?}", set.classes);
    let note = set.notes.last().unwrap();
    for part in [
        "1 file in __MACOSX",
        "4 files in @eaDir",
        "2 files in lost+found",
        "2 files in $RECYCLE.BIN",
        "2 files in #recycle",
        "2 files in .ipynb_checkpoints",
        "5 files (previews and indices of a photo library)",
        "3 files in *.lrdata",
        "10 files (previews in Thumbnails)",
        "2 files (runs of wgvae)",
        "2 files (grids of wgvae)",
    ] {
        assert!(note.contains(part), "{part} in {note}");
    }
    let run = scan(&root.path().join("runs/a"), 0).unwrap_err().to_string();
    assert!(run.contains("is a run of wgvae"), "{run}");
    // such a folder can be included explicitly
    let options =
        ScanOptions { include: vec!["@eadir".into(), "lost+found".into()], ..ScanOptions::default() };
    assert_eq!(scan_with(root.path(), &options).unwrap().len(), 18);
    // if there are only thumbnails, they are used
    assert_eq!(scan(&root.path().join("Thumbnails"), 0).unwrap().len(), 10);
}

#[test]
fn previews_and_copies_of_pictures_that_are_there_too() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: String| root.path().join(name);
    for i in 0..6 {
        put(at(format!("{i}.jpg")), photo(i));
        put(at(format!("{i} (1).jpg")), photo(i));
        put(at(format!("{i}_thumb.png")), plain(i as u8));
        put(at(format!("{i}-150x100.png")), plain(i as u8));
        put(at(format!("backup 2020/{i}.jpg")), photo(i));
        put(at(format!("previews/{i}.jpg")), photo(50 + i));
    }
    // another picture with such a name, a folder of others
    put(at("5 (2).jpg".into()), photo(99));
    put(at("Copy of Lake/7.jpg".into()), photo(7));
    put(at("tiny_thumb.png".into()), plain(1));
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 9, "{:?}", set.notes);
    for part in [
        "6 files (copies beside their pictures)",
        "12 files (previews beside their pictures)",
        "6 files (copies in backup 2020)",
        "6 files (previews in previews)",
    ] {
        assert!(set.notes.iter().any(|note| note.contains(part)), "{part} in {:?}", set.notes);
    }
}

#[test]
fn smaller_ones_are_told_by_their_looks() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        let photo = image::load_from_memory(&photo(i)).unwrap();
        let small = photo.thumbnail(16, 16);
        put(root.path().join(format!("{i}.jpg")), crate::helpers::encode(&photo, image::ImageFormat::Jpeg));
        put(
            root.path().join(format!("small/{i}.jpg")),
            crate::helpers::encode(&small, image::ImageFormat::Jpeg),
        );
        put(
            root.path().join(format!("16x16/{i}.png")),
            crate::helpers::encode(&small, image::ImageFormat::Png),
        );
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.len(), set.layout), (8, Layout::Plain), "{:?}", set.notes);
    // different pictures with equal numbers
    for i in 0..8 {
        put(root.path().join(format!("small/{i}.jpg")), photo(100 + i));
    }
    assert_eq!(scan(root.path(), 0).unwrap().len(), 16);
}

/// A picture of three areas.
fn mask(seed: u64) -> Vec<u8> {
    let shade = |x: u32, y: u32| [0, 7, 20][usize::from(x > 8 + seed as u32 % 16) + usize::from(y > 20)];
    let picture = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([shade(x, y)]));
    crate::helpers::encode(&picture.into(), image::ImageFormat::Png)
}

#[test]
fn masks_are_no_pictures() {
    let root = tempfile::tempdir().unwrap();
    for (split, count) in [("training", 8), ("validation", 3)] {
        for i in 0..count {
            put(root.path().join(format!("images/{split}/{i}.jpg")), photo(i));
            put(root.path().join(format!("annotations/{split}/{i}.png")), mask(i));
        }
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((counts(&set), set.split_made), ((8, 3, 0), false), "{:?}", set.notes);
    assert!(set.notes.iter().any(|note| note.contains("11 files (masks in annotations)")), "{:?}", set.notes);
    let options = ScanOptions { include: vec!["annotations".into()], ..ScanOptions::default() };
    assert_eq!(scan_with(root.path(), &options).unwrap().len(), 22);

    // beside their pictures, and with reversed names
    let root = tempfile::tempdir().unwrap();
    for i in 0..30 {
        put(root.path().join(format!("a/{i}.jpg")), photo(i));
        put(root.path().join(format!("a/{i}_mask.png")), mask(i));
        put(root.path().join(format!("b/train/{i}_rgb.jpg")), photo(i));
        put(root.path().join(format!("b/train_masks/{i}_rgb_mask.png")), mask(i));
        put(root.path().join(format!("b/val/{i}_rgb.jpg")), photo(i));
    }
    let set = scan(&root.path().join("a"), 0).unwrap();
    assert_eq!((set.len(), set.layout), (30, Layout::Plain), "{:?}", set.notes);
    assert_eq!(counts(&scan(&root.path().join("b"), 0).unwrap()), (30, 30, 0));

    // class numbers as grey values, without large areas
    let root = tempfile::tempdir().unwrap();
    for i in 0..8u32 {
        let noise =
            image::GrayImage::from_fn(32, 32, |x, y| image::Luma([((x * x + 7 * y * (i + 3)) % 150) as u8]));
        put(root.path().join(format!("images/{i}.jpg")), photo(u64::from(i)));
        put(
            root.path().join(format!("labels/{i}.png")),
            crate::helpers::encode(&noise.into(), image::ImageFormat::Png),
        );
    }
    assert_eq!(scan(root.path(), 0).unwrap().len(), 8);

    // photographs with such names and equal numbers
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        put(root.path().join(format!("with_mask/{i}.jpg")), photo(i));
        put(root.path().join(format!("without_mask/{i}.jpg")), photo(20 + i));
        put(root.path().join(format!("people/{i}.jpg")), photo(40 + i));
    }
    assert_eq!(scan(root.path(), 0).unwrap().len(), 24);

    // masks only by appearance: kept, with a note
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        put(root.path().join(format!("x/{i}.jpg")), photo(i));
        put(root.path().join(format!("y/{i}.png")), mask(i));
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 16);
    assert!(set.notes.iter().any(|note| note.contains("--exclude \"y\"")), "{:?}", set.notes);
}

#[test]
fn what_is_known_and_not_read_is_counted() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 5);
    for i in 0..8 {
        put(root.path().join(format!("{i}.X3F")), b"FOVb\0\0\0\0");
        put(root.path().join(format!("{i}.psd")), b"8BPS\0\x01");
        put(
            root.path().join(format!("p{i}.jpg")),
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        );
        put(root.path().join(format!(".q{i}.jpg.icloud")), "bplist00");
        put(root.path().join(format!("zero{i}.jpg")), "");
        put(root.path().join(format!("r{i}.url")), "[InternetShortcut]\nURL=https://example.org/a.jpg\n");
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.len(), set.skipped.len(), set.foreign.len()), (5, 8, 16));
    let notes = set.notes.join("\n");
    for part in [
        "8 Photoshop files",
        "8 camera raw files",
        "8 Git LFS pointers",
        "git lfs pull",
        "8 iCloud placeholders",
        "8 .url links",
        "8 empty files",
    ] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    // without readable pictures there is an error with advice
    (0..5).for_each(|i| fs::remove_file(root.path().join(format!("{i:03}.png"))).unwrap());
    let error = scan(root.path(), 0).unwrap_err().to_string();
    for part in ["no pictures here", "darktable-cli", "git lfs pull"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn files_that_hold_pictures_are_named() {
    let said = |name: &str| {
        let root = tempfile::tempdir().unwrap();
        put(root.path().join(name), "PAR1");
        scan(root.path(), 0).unwrap_err().to_string()
    };
    let error = said("data/train-00000-of-00001.parquet");
    assert!(error.contains("1 .parquet file") && error.contains("load_dataset"), "{error}");
    assert!(said("photos.zip").contains("unzip"));
    assert!(said("00000.tar").contains("tar -xf"));
    assert!(said("a.npz").contains("numpy.load"));
}

#[test]
fn what_servers_keep_is_never_data() {
    let root =
        tree(&["a", "~snapshot/daily", ".snapshot/daily", "files_trashbin/files", "appdata_oc1/preview"]);
    fill(&root.path().join("files_versions"), 1);
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 3, "{:?}", set.notes);
    for part in
        ["4 files in ~snapshot", "5 files in .snapshot", "6 files in files_trashbin", "7 files in appdata_"]
    {
        assert!(set.notes.iter().any(|note| note.contains(part)), "{part} in {:?}", set.notes);
    }
}

#[test]
fn pictures_that_wgvae_made_are_no_photographs() {
    use wgvae::data::{Mark, PictureFormat};
    let root = tempfile::tempdir().unwrap();
    (0..6).for_each(|i| drop(put(root.path().join(format!("{i}.jpg")), photo(i))));
    let made = tempfile::tempdir().unwrap();
    let rgb = image::RgbImage::from_raw(32, 32, wgvae::data::landscape(50, 0, 32).0).unwrap();
    for name in ["mine.png", "mine.jpg", "mine.webp", "out/0001.png"] {
        let bytes = PictureFormat::of(Path::new(name)).unwrap().encode(&rgb, &Mark::of("sample")).unwrap();
        put(root.path().join(name), &bytes);
        put(made.path().join(name), &bytes);
    }
    put(root.path().join("t_sample_epoch_0001.png"), plain(9));
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 6, "{:?}", set.notes);
    assert!(
        set.notes.iter().any(|note| note.contains("5 files (pictures that wgvae made)")),
        "{:?}",
        set.notes
    );
    // pictures that were made for training
    assert_eq!(scan(made.path(), 0).unwrap().len(), 4);
    let options = ScanOptions { include: vec!["out".into()], ..ScanOptions::default() };
    assert_eq!(scan_with(root.path(), &options).unwrap().len(), 7);
}

#[cfg(unix)]
#[test]
fn files_that_links_lead_to_count_once() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let outside = put(root.path().join("elsewhere/x.jpg"), photo(90));
    let hub = root.path().join("hub");
    for revision in ["1f", "2e"] {
        fs::create_dir_all(hub.join("snapshots").join(revision)).unwrap();
    }
    for i in 0..6 {
        put(hub.join(format!("blobs/{i}c0ffee")), photo(i));
        for revision in ["1f", "2e"] {
            let link = hub.join(format!("snapshots/{revision}/{i}.jpg"));
            symlink(format!("../../blobs/{i}c0ffee"), link).unwrap();
        }
    }
    symlink(outside, hub.join("snapshots/1f/x.jpg")).unwrap();
    let set = scan(&hub, 0).unwrap();
    assert_eq!((set.len(), set.classes.as_slice()), (7, &["1f".to_owned()][..]), "{:?}", set.notes);
    assert!(
        set.notes.iter().any(|note| note.contains("12 files (seen by a link already)")),
        "{:?}",
        set.notes
    );
}

#[test]
fn a_class_may_be_called_thumb() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        for (class, seed) in [("index", 0), ("fist", 20), ("thumb", 40)] {
            put(root.path().join(class).join(format!("{i}.jpg")), photo(seed + i));
        }
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.len(), set.classes.len()), (24, 3), "{:?}", set.notes);
    // smaller ones with names of their own
    for i in 0..8 {
        let small = image::load_from_memory(&photo(i)).unwrap().thumbnail(16, 16);
        let bytes = crate::helpers::encode(&small, image::ImageFormat::Jpeg);
        put(root.path().join(format!("thumbs/x{i}.jpg")), bytes);
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(set.len(), 24, "{:?}", set.notes);
}

#[test]
fn pictures_made_so_many_times_smaller() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        let photo = image::load_from_memory(&photo(i)).unwrap();
        put(
            root.path().join(format!("HR/000{i}.png")),
            crate::helpers::encode(&photo, image::ImageFormat::Png),
        );
        let small = crate::helpers::encode(&photo.thumbnail(16, 16), image::ImageFormat::Png);
        put(root.path().join(format!("LR_bicubic/X2/000{i}x2.png")), &small);
        put(root.path().join(format!("X4/000{i}x4.png")), &small);
    }
    assert_eq!(scan(root.path(), 0).unwrap().len(), 8);
}

#[test]
fn masks_that_are_called_what_is_to_be_learnt() {
    let root = tempfile::tempdir().unwrap();
    for i in 0..8 {
        for (split, seed) in [("train", 0), ("test", 20)] {
            put(root.path().join(format!("X_{split}/{i}.jpg")), photo(seed + i));
            put(root.path().join(format!("y_{split}/{i}.png")), mask(i));
        }
    }
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.train.len() + set.validation.len(), set.test.len()), (8, 8), "{:?}", set.notes);
    assert!(set.notes.iter().any(|note| note.contains("8 files (masks in y_test)")), "{:?}", set.notes);
}
