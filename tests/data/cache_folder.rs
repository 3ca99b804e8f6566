//! The cache's folder as a whole: several files per set, several sets, several processes, the limit.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use wgvae::data::{Dataset, Source};

use crate::cache::{ALL, SIZE, Setting, files, prepare, red, reds, work};
use crate::helpers::{QUIET, folder_source, put};

#[test]
fn splits_share_a_cache_and_growing_folders_few_files() {
    let setting = Setting::new(20);
    let Source::Folder { root, items, how } = folder_source(&setting.pictures()) else { panic!() };
    let split = |range: std::ops::Range<usize>| {
        let source = Source::Folder { root: root.clone(), items: items[range].to_vec(), how };
        Dataset::prepare_cached(source, SIZE, 0, Some(&setting.cache()), QUIET).unwrap()
    };
    let held = split(0..2);
    assert_eq!(work(&held), (0, 2));
    assert_eq!(work(&split(2..20)), (0, 18));
    assert_eq!(files(&setting.cache()).len(), 1, "the smaller file went into the larger one");
    assert_eq!(reds(&held), [0, 1], "who had it open reads on");
    // another split of the same pictures
    assert_eq!((work(&split(0..11)), work(&split(11..20))), ((11, 0), (9, 0)));
    let largest = setting.file();
    for i in 20..60 {
        put(setting.picture(i), red(i));
        let pictures = setting.prepare(0);
        assert_eq!((work(&pictures), reds(&pictures)), ((i as usize, 1), (0..=i).collect()));
        assert!(files(&setting.cache()).len() <= 6, "{} pictures: {:?}", i + 1, files(&setting.cache()));
        assert!(i >= 38 || largest.exists(), "20 pictures were copied for {} new ones", i - 19);
    }
    // half of them are gone, the others changed: dead files make room
    (0..30).for_each(|i| drop(put(setting.picture(i), [red(i), vec![0]].concat())));
    (30..60).for_each(|i| fs::remove_file(setting.picture(i)).unwrap());
    assert_eq!(work(&setting.prepare(0)), (0, 30));
    assert_eq!((work(&setting.prepare(0)), rows(&setting.file())), ((30, 0), 30));
    // changed pictures are not copied
    (0..10).for_each(|i| drop(put(setting.picture(i), red(i))));
    (30..60).for_each(|i| drop(put(setting.picture(i), red(i))));
    assert_eq!(work(&setting.prepare(0)), (20, 40));
    assert_eq!((work(&setting.prepare(0)), rows(&setting.file())), ((60, 0), 60));
}

/// The number of pictures in a file.
fn rows(file: &Path) -> u64 {
    u64::from_le_bytes(fs::read(file).unwrap()[16..24].try_into().unwrap())
}

#[test]
fn two_preparations_at_once_hurt_nobody() {
    for _ in 0..5 {
        let setting = Setting::new(30);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| reds(&setting.prepare(0)))).collect();
            threads.into_iter().for_each(|t| assert_eq!(t.join().unwrap(), (0..30).collect::<Vec<u8>>()));
        });
        assert_eq!(work(&setting.prepare(0)), (30, 0));
        assert!(files(&setting.cache()).iter().all(|file| file.extension().unwrap() == "pixels"));
    }
}

#[test]
fn the_limit_deletes_what_was_not_used_for_longest() {
    let sets = [Setting::new(10), Setting::new(10), Setting::new(10)];
    let shared = sets[0].cache();
    let one = {
        prepare(&sets[0].pictures(), &shared, 0);
        fs::metadata(sets[0].file()).unwrap().len()
    };
    let cache = shared.with_limit(5 * one / 2);
    let run = |at: usize| work(&prepare(&sets[at].pictures(), &cache, 0));
    let hour = |ago: u64| {
        // makes all uses one hour older
        for file in files(&cache) {
            let time = fs::metadata(&file).unwrap().modified().unwrap() - Duration::from_secs(ago * 3600);
            File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        }
    };
    // a temporary file left by a killed process, and one that is being written
    let (old, young) = (cache.folder().join(".old.part"), cache.folder().join(".young.part"));
    put(old.clone(), "half");
    hour(30);
    put(young.clone(), "half");
    assert_eq!(run(1), (0, 10));
    assert!(!old.exists() && young.exists());
    hour(1);
    assert_eq!((run(0), files(&cache).len()), ((10, 0), 3), "using touches");
    hour(1);
    assert_eq!((run(2), files(&cache).len()), ((0, 10), 3), "the second set made room for the third");
    assert_eq!((run(0), run(2)), ((10, 0), (10, 0)));
    let total: u64 = files(&cache).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(total <= 5 * one / 2, "{total} bytes of {}", 5 * one / 2);
    assert_eq!(run(1), (0, 10));
    // the current pictures are kept although they are old: others make room for new ones
    hour(1);
    assert_eq!(run(2), (10, 0));
    put(sets[1].picture(10), red(10));
    let tight = cache.clone().with_limit(2 * one + 100);
    let Source::Folder { root, items, how } = folder_source(&sets[1].pictures()) else { panic!() };
    let new = Source::Folder { root, items: items[10..].to_vec(), how };
    assert_eq!(work(&Dataset::prepare_cached(new, SIZE, 0, Some(&tight), QUIET).unwrap()), (0, 1));
    let run = |at: usize| work(&prepare(&sets[at].pictures(), &tight, 0));
    assert_eq!((run(1), run(2)), ((11, 0), (0, 10)));
}

#[test]
fn of_a_set_beyond_the_limit_as_many_as_fit_are_kept() {
    let setting = Setting::new(40);
    let cache = setting.cache().with_limit(3000);
    let run = |budget| prepare(&setting.pictures(), &cache, budget);
    let first = run(0);
    assert_eq!((work(&first), reds(&first)), ((0, 40), (0..40).collect()));
    let kept = 40 - first.decoded_each_time();
    assert!((10..20).contains(&kept), "{kept} of 40 pictures kept");
    let second = run(0);
    assert_eq!((work(&second), reds(&second)), ((kept, 0), (0..40).collect()));
    assert_eq!(second.decoded_each_time(), 40 - kept);
    let third = run(ALL);
    assert_eq!((work(&third), reds(&third)), ((kept, 40 - kept), (0..40).collect()));
    assert_eq!(files(&cache).len(), 1, "there is nothing to write");
}
