//! Real-world folder layouts: splits with many names, and other folders beside them.

use std::path::Path;

use wgvae::data::{FolderIndex, Layout, ScanOptions, Splits, scan, scan_with};

use crate::helpers::{fill, plain, put};

pub(crate) fn counts(set: &FolderIndex) -> (usize, usize, usize) {
    (set.train.len(), set.validation.len(), set.test.len())
}

/// A tree with pictures in each of `folders`: 3 in the first, 4 in the second, and so on.
pub(crate) fn tree(folders: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, count) in folders.iter().zip(3u8..) {
        fill(&root.path().join(folder), count);
    }
    root
}

#[test]
fn splits_have_many_names() {
    // folders of 3, 4 and 5 pictures: training, validation, test
    for folders in [
        ["train", "dev", "test"],
        ["train", "eval", "holdout"],
        ["trn", "valid", "tst"],
        ["train2017", "val2017", "test2017"],
        ["train_images", "val_images", "test_images"],
        ["TrainImages", "ValImages", "TestImages"],
        ["1-Training", "2-Validation", "3-Testing"],
        ["seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"],
        ["training_set/training_set/cats", "val_set/val_set/cats", "test_set/test_set/cats"],
        ["DIV2K_train_HR", "DIV2K_valid_HR", "DIV2K_test_HR"],
        ["images/train", "images/val", "images/test"],
        ["train/images", "valid/images", "test/images"],
        ["a/b/c/d/e/f/train/Lake", "a/b/c/d/e/f/val/Lake", "a/b/c/d/e/f/test/Lake"],
        ["data/train/train", "data/train/val", "data/test"],
        ["trainset", "devset", "testset"],
        ["Lake/train", "Lake/val", "Lake/test"],
        ["train_256_standard", "val_256", "test_256"],
        ["tr", "va", "te"],
        ["Trainingsdaten", "Validierungsdaten", "Testdaten"],
        ["entrenamiento", "validación", "prueba"],
        ["Datos de entrenamiento", "Datos de validacion", "Datos de prueba"],
        ["entraînement", "validation", "test"],
        ["treino", "validacao", "teste"],
        ["addestramento", "convalida", "test"],
    ] {
        let root = tree(&folders);
        put(root.path().join("labels/train/000.txt"), "0 0.5 0.5 1 1");
        put(root.path().join("__MACOSX/._000.png"), plain(1));
        let set = scan(root.path(), 1).unwrap();
        assert_eq!((counts(&set), set.split_made), ((3, 4, 5), false), "{folders:?}: {:?}", set.notes);
        assert!(set.notes[0].starts_with("training "), "{:?}", set.notes);
        assert!(set.skipped.is_empty());
    }
    let root = tree(&["trainA", "trainB", "testA", "testB"]);
    let set = scan(root.path(), 1).unwrap();
    assert_eq!((set.train.len() + set.validation.len(), set.test.len()), (7, 11));
}

#[test]
fn splits_within_classes_and_classes_within_names() {
    for folders in [
        ["Lake/train", "Coast/train", "Lake/test", "Coast/test"],
        ["lake_train", "coast_train", "lake_test", "coast_test"],
    ] {
        let root = tree(&folders);
        let set = scan(root.path(), 1).unwrap();
        assert_eq!((set.train.len() + set.validation.len(), set.test.len()), (7, 11), "{:?}", set.notes);
        assert_eq!(set.classes.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>(), ["coast", "lake"]);
    }
}

#[test]
fn classes_that_are_called_like_splits_stay_classes() {
    for folders in [
        &["training-shoes", "test tubes", "boots"][..],
        &["training-shoes", "test tubes"],
        &["valley", "Valencia", "Devon", "mountain"],
        &["evaluation-lake", "forest", "sea"],
        &["bus", "car", "plane", "train"],
        &["Coast", "Forest", "Lake", "Mountain", "train", "test"],
        &["test", "Coast", "Forest"],
        &["val", "test"],
        &["tr", "va", "Lake"],
        &["Lake/train", "Coast", "Forest"],
    ] {
        let root = tree(folders);
        let set = scan(root.path(), 1).unwrap();
        assert_eq!((set.layout, set.split_made), (Layout::Classes, true), "{folders:?}: {:?}", set.notes);
        let all: usize = (3..).take(folders.len()).sum();
        assert_eq!(set.len(), all);
        let named = folders
            .iter()
            .any(|name| name.contains("train") || name.contains("test") || name.contains("val-"));
        assert_eq!(
            set.notes.iter().any(|note| note.starts_with("no splits: ")),
            named || folders[0].starts_with("eval")
        );
    }
}

#[test]
fn the_most_used_set_of_landscapes() {
    let root = tempfile::tempdir().unwrap();
    for (split, count) in [("seg_train", 6), ("seg_test", 3)] {
        for class in ["buildings", "forest", "glacier"] {
            fill(&root.path().join(split).join(split).join(class), count);
        }
    }
    fill(&root.path().join("seg_pred/seg_pred"), 20);
    let set = scan(root.path(), 0).unwrap();
    assert_eq!((set.train.len() + set.validation.len(), set.test.len()), (18, 9));
    assert_eq!(set.classes, ["buildings", "forest", "glacier"]);
    assert_eq!(set.skipped.len(), 20);
    assert!(set.notes[0].ends_with("left out seg_pred/ (20 pictures)"), "{:?}", set.notes);
    // one split folder as the root: the nested folder is entered
    let set = scan(&root.path().join("seg_train"), 0).unwrap();
    assert_eq!((set.layout, set.len()), (Layout::Classes, 18));
    assert_eq!(set.classes, ["buildings", "forest", "glacier"]);
    let set = scan(&root.path().join("seg_pred"), 0).unwrap();
    assert_eq!((set.layout, set.len()), (Layout::Classes, 20));
}

#[test]
fn whatever_stands_beside_the_splits() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("X/Landscape Classification");
    for (split, count) in [("Training Data", 8), ("Validation Data", 3), ("Testing Data", 2)] {
        fill(&inner.join(split).join("Coast"), count);
        put(root.path().join("X/__MACOSX/Landscape Classification").join(split).join("._000.png"), plain(1));
    }
    put(root.path().join("X/notebooks/explore.ipynb"), "{}");
    put(root.path().join("X/TFRecords/a.tfrecords"), "..");
    fill(&root.path().join("X/models"), 1);
    let set = scan(root.path(), 0).unwrap();
    assert_eq!(
        (set.layout, set.root.as_path(), counts(&set)),
        (Layout::Reference, inner.as_path(), (8, 3, 2))
    );
    assert!(set.notes[0].contains("left out X/models/ (1 picture)"), "{:?}", set.notes);
}

#[test]
fn what_was_decided_can_be_said_otherwise() {
    let root = tree(&["one", "two", "three", "train", "test"]);
    let with = |splits: &str, exclude: &[&str]| {
        let exclude = exclude.iter().map(ToString::to_string).collect();
        let options = ScanOptions { splits: splits.parse().unwrap(), exclude, ..ScanOptions::default() };
        scan_with(root.path(), &options)
    };
    let set = with("train=one,val=two,test=three,test=t*st", &[]).unwrap();
    assert_eq!((counts(&set), set.skipped.len(), set.split_made), ((3, 4, 12), 6, false));
    let set = with("auto", &["ONE", "t?o", "three"]).unwrap();
    assert_eq!((set.train.len() + set.validation.len(), set.test.len(), set.layout), (6, 7, Layout::Splits));
    assert!(set.notes.iter().any(|note| note.contains("--exclude ONE")), "{:?}", set.notes);
    let set = with("draw", &["ONE", "t?o", "three"]).unwrap();
    assert_eq!((set.len(), set.split_made, set.layout), (13, true, Layout::Plain));
    assert_eq!(with("draw", &["one/00*", "tw*/001.png"]).unwrap().len(), 25 - 3 - 1);
    let error = with("train=none", &[]).unwrap_err().to_string();
    assert!(
        error.contains("no folder of pictures fits none; there are: one/, test/, three/, train/, two/"),
        "{error}"
    );
    assert!(with("auto", &["a**b"]).unwrap_err().to_string().contains("--exclude a**b"));
    for wrong in ["", "train", "val=a", "train=", "tests=a"] {
        assert!(wrong.parse::<Splits>().is_err(), "{wrong}");
    }
    let named = "train=a,train=b,validation=c";
    assert_eq!(named.parse::<Splits>().unwrap().to_string(), named);
}

#[test]
fn splits_of_the_first_rules_stay_as_they_were() {
    use wgvae::data::Rules;
    let root = tree(&["seg_train", "seg_test", "@eaDir"]);
    let options = ScanOptions { rules: Rules::First, ..ScanOptions::default() };
    let set = scan_with(root.path(), &options).unwrap();
    assert_eq!((set.len(), set.classes.len(), set.split_made), (12, 3, true));
    let one = Path::new("seg_train/000.png");
    assert!(set.train.iter().chain(&set.validation).any(|item| item.path.ends_with(one)));
}

#[test]
fn a_split_alone_is_said_to_be_alone() {
    let root = tree(&["seg_train/Lake", "seg_train/Sea"]);
    let set = scan(root.path(), 0).unwrap();
    assert!(
        set.notes[0].contains("named like a split, but there is no other split beside it"),
        "{:?}",
        set.notes
    );
    let set = scan(tree(&["seg_train", "Lake", "Sea"]).path(), 0).unwrap();
    assert!(set.notes[0].contains("the folders beside it contradict that"), "{:?}", set.notes);
}

#[test]
fn two_test_sets_of_a_contest() {
    for folders in [["Training", "PublicTest", "PrivateTest"], ["train", "public_test", "private_test"]] {
        let set = scan(tree(&folders).path(), 0).unwrap();
        assert_eq!((set.train.len() + set.validation.len(), set.test.len()), (3, 9), "{:?}", set.notes);
    }
}
