//! The cache of decoded pictures.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image::{ImageFormat, Rgb, RgbImage};
use wgvae::data::{Cache, Dataset, Memory, Source};

use crate::helpers::{QUIET, encode, folder_source, plain, put};

pub(crate) const SIZE: u32 = 4;
const ROW: u64 = 4 * 4 * 3;
pub(crate) const ALL: u64 = u64::MAX;

/// A picture of one red; all have the same number of bytes.
pub(crate) fn red(value: u8) -> Vec<u8> {
    encode(&RgbImage::from_pixel(5, 3, Rgb([value, 20, 30])).into(), ImageFormat::Bmp)
}

pub(crate) struct Setting {
    pub(crate) folder: tempfile::TempDir,
}

impl Setting {
    /// `count` pictures, picture `i` with red `i`, and an empty cache.
    pub(crate) fn new(count: u8) -> Self {
        let setting = Self { folder: tempfile::tempdir().unwrap() };
        (0..count).for_each(|i| drop(put(setting.picture(i), red(i))));
        setting
    }

    pub(crate) fn pictures(&self) -> PathBuf {
        self.folder.path().join("pictures")
    }

    pub(crate) fn picture(&self, i: u8) -> PathBuf {
        self.pictures().join(format!("{i:03}.bmp"))
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.folder.path().join("cache"))
    }

    pub(crate) fn prepare(&self, budget: u64) -> Dataset {
        prepare(&self.pictures(), &self.cache(), budget)
    }

    /// Replaces the content and keeps path, size and time, as programs do that keep a photograph's date.
    fn change_unseen(&self, i: u8, content: &[u8]) {
        let path = self.picture(i);
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), content.len() as u64);
        // operating systems count changes in ticks of some milliseconds
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&path, content).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(meta.modified().unwrap()).unwrap();
    }

    /// The only cache file.
    pub(crate) fn file(&self) -> PathBuf {
        let files = files(&self.cache());
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

pub(crate) fn prepare(folder: &Path, cache: &Cache, budget: u64) -> Dataset {
    Dataset::prepare_cached(folder_source(folder), SIZE, budget, Some(cache), QUIET).unwrap()
}

/// All files in the cache's folder, temporary ones included.
pub(crate) fn files(cache: &Cache) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.folder()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The red value of each picture; all of its pixels must have it.
pub(crate) fn reds(pictures: &Dataset) -> Vec<u8> {
    let red = |i: usize| {
        let pixels = pictures.get(i).unwrap();
        assert_eq!(pixels.len() as u64, ROW);
        assert!(pixels.chunks(3).all(|pixel| pixel == [pixels[0], 20, 30]), "picture {i}: {pixels:?}");
        pixels[0]
    };
    (0..pictures.len()).map(red).collect()
}

/// Number of pictures from the cache, and number of decoded pictures.
pub(crate) fn work(pictures: &Dataset) -> (usize, usize) {
    let prepared = pictures.prepared();
    assert_eq!(prepared.note, None);
    (prepared.from_cache, prepared.decoded)
}

#[test]
fn a_second_preparation_decodes_nothing() {
    let setting = Setting::new(9);
    for budget in [0, 5 * ROW, ALL] {
        fs::remove_dir_all(setting.cache().folder()).ok();
        let first = setting.prepare(budget);
        assert_eq!((work(&first), reds(&first)), ((0, 9), (0..9).collect()));
        assert_eq!((first.in_memory() as u64, first.decoded_each_time()), (9.min(budget / ROW), 0));
        assert_eq!(reds(&first), (0..9).collect::<Vec<u8>>(), "what is not in memory is read from the cache");
        for again in [0, 2 * ROW, ALL] {
            let second = setting.prepare(again);
            assert_eq!((work(&second), reds(&second)), ((9, 0), (0..9).collect()));
            assert_eq!((second.in_memory() as u64, second.decoded_each_time()), (9.min(again / ROW), 0));
            assert_eq!(second.fingerprint(), first.fingerprint());
        }
    }
    let without = Dataset::prepare(folder_source(&setting.pictures()), SIZE, ALL, QUIET).unwrap();
    assert_eq!(without.fingerprint(), setting.prepare(ALL).fingerprint());
}

#[test]
fn progress_hears_of_every_picture_once() {
    let setting = Setting::new(6);
    for missing in [6, 2, 0] {
        (0..missing)
            .for_each(|i| drop(put(setting.picture(i), [red(i), vec![0; missing as usize]].concat())));
        let finished = || {
            let all = fs::read_dir(setting.cache().folder()).into_iter().flatten();
            all.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "pixels").count()
        };
        let before = finished();
        let calls = std::sync::Mutex::new(Vec::new());
        let hear = |done, all| {
            assert_eq!(finished(), before, "a file has its name before it is whole");
            calls.lock().unwrap().push((done, all));
        };
        let source = folder_source(&setting.pictures());
        let pictures = Dataset::prepare_cached(source, SIZE, 0, Some(&setting.cache()), &hear).unwrap();
        assert_eq!(work(&pictures), (6 - missing as usize, missing as usize));
        let mut calls = calls.into_inner().unwrap();
        calls.sort_unstable();
        assert_eq!(calls, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    }
}

#[test]
fn what_has_changed_is_decoded_again_and_only_that() {
    let setting = Setting::new(8);
    setting.prepare(0);
    // a later time, another size, another name, a new file, a missing one, other content with equal size and time
    put(setting.picture(1), red(101));
    let later = SystemTime::now() + Duration::from_nanos(1);
    File::options().write(true).open(setting.picture(1)).unwrap().set_modified(later).unwrap();
    let time = fs::metadata(setting.picture(2)).unwrap().modified().unwrap();
    put(setting.picture(2), [red(102), vec![0]].concat());
    File::options().write(true).open(setting.picture(2)).unwrap().set_modified(time).unwrap();
    fs::rename(setting.picture(3), setting.picture(83)).unwrap();
    put(setting.picture(90), red(190));
    fs::remove_file(setting.picture(5)).unwrap();
    setting.change_unseen(6, &red(106));
    let expected = [0, 101, 102, 4, if cfg!(unix) { 106 } else { 6 }, 7, 3, 190];
    for budget in [0, ALL] {
        let pictures = setting.prepare(budget);
        let changed = if cfg!(unix) { 5 } else { 4 };
        let decoded = if budget == 0 { changed } else { 0 };
        assert_eq!((work(&pictures), reds(&pictures)), ((8 - decoded, decoded), expected.to_vec()));
    }
    // pictures at another size or with another resize mode are separate
    let other = |size, resize: wgvae::data::Resize| {
        let Source::Folder { root, items, .. } = folder_source(&setting.pictures()) else { panic!() };
        let source = Source::Folder { root, items, how: resize.into() };
        work(&Dataset::prepare_cached(source, size, 0, Some(&setting.cache()), QUIET).unwrap())
    };
    assert_eq!(other(8, wgvae::data::Resize::Stretch), (0, 8));
    assert_eq!(other(SIZE, wgvae::data::Resize::Cover), (0, 8));
    assert_eq!(other(SIZE, wgvae::data::Resize::Stretch), (8, 0));
}

/// A file that was modified and given valid checksums.
fn resealed(whole: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    change(&mut bytes);
    let index = bytes.len() - u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&bytes[index..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_damaged_file_is_replaced_and_never_believed() {
    let setting = Setting::new(5);
    setting.prepare(0);
    let whole = fs::read(setting.file()).unwrap();
    let rows = 36..36 + 5 * ROW as usize;
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let mut cases: Vec<(Vec<u8>, bool)> =
        (0..whole.len()).map(|at| (flipped(at), rows.contains(&at))).collect();
    cases.extend([0, 1, 35, 36, 80, whole.len() - 1].map(|length| (whole[..length].to_vec(), false)));
    cases.push((vec![7; whole.len()], false));
    cases.push((plain(1), false));
    // valid files of another version, or with an index that points beyond them
    let version = |bytes: &mut Vec<u8>| bytes[8] += 1;
    let beyond = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(11).position(|w| w == b"\"number\":4,").unwrap();
        bytes[at + 9] = b'5';
    };
    cases.extend([resealed(&whole, version), resealed(&whole, beyond)].map(|bytes| (bytes, false)));
    for (bytes, row) in cases {
        let file = setting.file();
        fs::write(&file, bytes).unwrap();
        let pictures = setting.prepare(ALL);
        let expected = if row { (4, 1) } else { (0, 5) };
        assert_eq!((work(&pictures), reds(&pictures)), (expected, (0..5).collect()));
        assert_eq!(file.exists(), row, "a file that cannot be used takes room");
        let again = setting.prepare(ALL);
        assert_eq!((work(&again), reds(&again)), ((5, 0), (0..5).collect()), "it was not replaced");
        files(&setting.cache()).iter().for_each(|file| fs::remove_file(file).unwrap());
        fs::write(file, &whole).unwrap();
    }
}

#[test]
fn rows_that_go_bad_during_a_run_are_decoded() {
    for cut in [true, false] {
        let setting = Setting::new(5);
        let pictures = setting.prepare(0);
        let file = File::options().write(true).open(setting.file()).unwrap();
        if cut {
            file.set_len(100).unwrap();
        } else {
            drop(file);
            let mut bytes = fs::read(setting.file()).unwrap();
            bytes[36..36 + 5 * ROW as usize].fill(9);
            fs::write(setting.file(), bytes).unwrap();
        }
        assert_eq!(reds(&pictures), (0..5).collect::<Vec<u8>>());
        let next = setting.prepare(0);
        assert_eq!((work(&next), reds(&next)), ((0, 5), (0..5).collect()), "the next run writes it anew");
    }
}

#[test]
fn unreadable_pictures_are_remembered_with_their_reasons() {
    let setting = Setting::new(6);
    let bad = red(4)[..40].to_vec();
    put(setting.picture(4), &bad);
    let first = setting.prepare(0);
    assert_eq!((work(&first), first.skipped().len()), ((0, 6), 1));
    let second = setting.prepare(0);
    assert_eq!((work(&second), second.skipped()), ((5, 0), first.skipped()));
    assert!(second.skipped()[0].path.ends_with("004.bmp"), "{:?}", second.skipped());
    assert_eq!(second.fingerprint(), first.fingerprint());
    // copied into a larger file
    (10..20).for_each(|i| drop(put(setting.picture(i), red(i))));
    assert_eq!(work(&setting.prepare(0)), (5, 10));
    assert_eq!((work(&setting.prepare(0)), files(&setting.cache()).len()), ((15, 0), 1));
    put(setting.picture(4), red(4));
    assert_eq!(reds(&setting.prepare(0))[..6], [0, 1, 2, 3, 4, 5]);
}

/// Permission and network errors can go away without a change of the file.
#[test]
fn files_that_could_not_be_read_are_tried_again() {
    let setting = Setting::new(4);
    let source = folder_source(&setting.pictures());
    // unreadable for any user: a folder in place of a file
    fs::remove_file(setting.picture(2)).unwrap();
    fs::create_dir(setting.picture(2)).unwrap();
    let prepare = || {
        let source = source.clone();
        Dataset::prepare_cached(source, SIZE, 0, Some(&setting.cache()), QUIET).unwrap()
    };
    assert_eq!((work(&prepare()), prepare().skipped().len()), ((0, 4), 1));
    assert_eq!(work(&prepare()), (3, 1), "only the folder is tried again");
    assert_eq!(files(&setting.cache()).len(), 1, "and nothing is written about it");
}

#[test]
fn a_cache_that_cannot_be_written_is_a_note() {
    let setting = Setting::new(4);
    let blocked = put(setting.folder.path().join("blocked"), "a file where the folder should be");
    for budget in [0, ALL] {
        let pictures = prepare(&setting.pictures(), &Cache::new(&blocked), budget);
        let note = pictures.prepared().note.clone().unwrap();
        assert!(note.contains("blocked") && note.contains("cannot write"), "{note}");
        assert_eq!((pictures.prepared().decoded, reds(&pictures)), (4, (0..4).collect()));
        assert_eq!(pictures.decoded_each_time(), if budget == 0 { 4 } else { 0 });
    }
}

/// By default, cached pictures are not held in memory.
#[test]
fn memory_is_for_what_the_cache_does_not_hold() {
    let setting = Setting::new(9);
    let prepare = |cache: &Cache, bytes| {
        let memory = Memory { bytes, beside_cache: false };
        Dataset::prepare_cached(folder_source(&setting.pictures()), SIZE, memory, Some(cache), QUIET).unwrap()
    };
    for from_cache in [0, 9] {
        let pictures = prepare(&setting.cache(), ALL);
        assert_eq!(work(&pictures), (from_cache, 9 - from_cache));
        assert_eq!((pictures.in_memory(), pictures.decoded_each_time()), (0, 0));
        assert_eq!(reds(&pictures), (0..9).collect::<Vec<u8>>());
    }
    // a file blocks the path of the cache's folder
    let nowhere = setting.folder.path().join("file");
    fs::write(&nowhere, b"").unwrap();
    for (bytes, held) in [(ALL, 9), (4 * ROW, 4)] {
        let pictures = prepare(&Cache::new(&nowhere), bytes);
        assert_eq!((pictures.in_memory(), pictures.decoded_each_time()), (held, 9 - held));
        assert_eq!(reds(&pictures), (0..9).collect::<Vec<u8>>());
    }
}

#[test]
fn landscapes_are_cached_too() {
    let cache = Cache::new(tempfile::tempdir().unwrap().path().join("new"));
    let prepare = |seed, first, count| {
        let source = Source::Synthetic { seed, first, count };
        Dataset::prepare_cached(source, 8, 0, Some(&cache), QUIET).unwrap()
    };
    assert_eq!(work(&prepare(5, 10, 6)), (0, 6));
    let again = prepare(5, 12, 6);
    assert_eq!(work(&again), (4, 2));
    assert_eq!(work(&prepare(6, 10, 6)), (0, 6));
    for i in 0..6 {
        assert_eq!(again.get(i).unwrap()[..], wgvae::data::landscape(5, 12 + i as u64, 8).0);
    }
    fs::remove_dir_all(cache.folder().parent().unwrap()).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files_and_odd_names_are_decoded() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let setting = Setting::new(3);
    put(setting.pictures().join(OsStr::from_bytes(b"caf\xe9.bmp")), red(99));
    assert_eq!(work(&setting.prepare(0)), (0, 4));
    let mode = fs::metadata(setting.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let again = setting.prepare(0);
    assert_eq!((work(&again), reds(&again)), ((3, 1), vec![0, 1, 2, 99]));
    assert_eq!(again.decoded_each_time(), 1);
    setting.file();
}
