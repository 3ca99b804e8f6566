//! Order of epochs, memory budget, loader.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wgvae::data::{Batch, DataLoader, Dataset, Source, batches, order};

use crate::helpers::{QUIET, fill, folder_source, plain, put};

const PINNED_00: [u32; 10] = [6, 4, 5, 0, 9, 1, 2, 8, 3, 7];
const PINNED_01: [u32; 10] = [4, 9, 2, 0, 3, 7, 1, 8, 5, 6];
const PINNED_42: [u32; 12] = [5, 6, 11, 3, 10, 4, 7, 2, 1, 8, 0, 9];

/// These values are part of every checkpoint: a later version must resume a run in an identical order.
#[test]
fn the_order_never_changes() {
    assert_eq!(order(0, 0, 10), PINNED_00);
    assert_eq!(order(0, 1, 10), PINNED_01);
    assert_eq!(order(42, 7, 12), PINNED_42);
    assert_eq!(order(1, 1, 0), [0u32; 0]);
    let mut all = order(3, 3, 1000);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1000));
}

#[test]
fn the_budget_changes_nothing_but_memory() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 12);
    put(root.path().join("bad.png"), &plain(1)[..40]);
    let source = folder_source(root.path());
    let calls = AtomicUsize::new(0);
    let count = |_: usize, total: usize| {
        assert_eq!(total, 13);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let [none, some, all] = [0, 5 * 4 * 4 * 3, u64::MAX]
        .map(|budget| Dataset::prepare(source.clone(), 4, budget, &count).unwrap());
    assert_eq!(calls.into_inner(), 39);
    assert_eq!([none.in_memory(), some.in_memory(), all.in_memory()], [0, 5, 12]);
    assert_eq!(none.skipped(), all.skipped());
    assert!(all.skipped().len() == 1 && all.skipped()[0].path.ends_with("bad.png"));
    assert_eq!([none.len(), some.len(), all.len()], [12; 3]);
    for i in 0..12 {
        assert_eq!(none.get(i).unwrap(), all.get(i).unwrap());
        assert_eq!(some.get(i).unwrap()[..3], [i as u8, 20, 30]);
    }
    assert_eq!((none.fingerprint(), all.name(11)), (all.fingerprint(), "011.png".into()));
}

#[test]
fn fingerprints_follow_the_files_not_the_place() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(a.path(), 5);
    fill(b.path(), 5);
    let print = |path: &Path| folder_source(path).fingerprint();
    assert_eq!(print(a.path()), print(b.path()));
    put(b.path().join("004.png"), [plain(4), vec![0]].concat());
    assert_ne!(print(a.path()), print(b.path()));
    let synthetic = |seed| Source::Synthetic { seed, first: 0, count: 3 };
    assert_ne!(synthetic(1).fingerprint(), synthetic(2).fingerprint());
}

#[test]
fn too_many_unreadable_pictures_end_the_preparation() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 2);
    for i in 0..3 {
        put(root.path().join(format!("cut{i}.png")), &plain(1)[..40]);
    }
    let error = Dataset::prepare(folder_source(root.path()), 4, 0, QUIET).unwrap_err().to_string();
    assert!(error.contains("3 of 5 pictures") && error.contains("cut1.png"), "{error}");
}

fn synthetic(count: usize) -> Arc<Dataset> {
    let source = Source::Synthetic { seed: 5, first: 100, count };
    Arc::new(Dataset::prepare(source, 8, u64::MAX, QUIET).unwrap())
}

#[test]
fn batches_hold_the_pictures_in_order_and_the_last_is_short() {
    let pictures = synthetic(10);
    let order = order(1, 0, 10);
    let batches: Vec<Batch> = DataLoader::start(pictures.clone(), batches(&order, 4), 0, 2).collect();
    assert_eq!(batches.iter().map(|b| (b.step, b.count)).collect::<Vec<_>>(), [(0, 4), (1, 4), (2, 2)]);
    assert_eq!(batches.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>(), order);
    for batch in &batches {
        assert_eq!(batch.rgba.len(), 4 * 8 * 8 * 4);
        for (row, pixels) in batch.rgba.chunks(8 * 8 * 4).enumerate() {
            let wanted = batch.indices.get(row).map(|&index| pictures.get(index as usize).unwrap());
            for (at, pixel) in pixels.chunks(4).enumerate() {
                let rgb = wanted.as_ref().map_or([0; 3], |w| [w[at * 3], w[at * 3 + 1], w[at * 3 + 2]]);
                assert_eq!((&pixel[..3], pixel[3]), (&rgb[..], 0));
            }
        }
    }
}

#[test]
fn resuming_gives_the_tail_of_the_whole() {
    let pictures = synthetic(11);
    let order = order(2, 5, 11);
    let whole: Vec<Batch> = DataLoader::start(pictures.clone(), batches(&order, 3), 0, 1).collect();
    for first in 0..5 {
        let tail: Vec<Batch> = DataLoader::start(pictures.clone(), batches(&order, 3), first, 0).collect();
        assert_eq!(tail, whole[first.min(whole.len())..]);
    }
}

#[test]
fn dropping_a_loader_early_stops_it() {
    let pictures = synthetic(40);
    for prefetch in [0, 1, 3] {
        let mut loader = DataLoader::start(pictures.clone(), batches(&order(0, 0, 40), 2), 0, prefetch);
        assert_eq!(loader.next().unwrap().step, 0);
        drop(loader);
        drop(DataLoader::start(pictures.clone(), batches(&order(0, 0, 40), 2), 0, prefetch));
    }
    // the threads have ended: nothing else holds the pictures
    assert_eq!(Arc::strong_count(&pictures), 1);
}

#[test]
fn a_file_that_breaks_later_leaves_its_batch() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 6);
    let pictures = Arc::new(Dataset::prepare(folder_source(root.path()), 4, 0, QUIET).unwrap());
    put(root.path().join("001.png"), "garbage");
    fs::remove_file(root.path().join("005.png")).unwrap();
    let error = pictures.get(1).unwrap_err().to_string();
    assert!(error.contains("001.png") && error.contains("not a picture"), "{error}");
    let batches: Vec<Batch> = DataLoader::start(pictures, batches(&[0, 1, 2, 3, 4, 5], 3), 0, 1).collect();
    assert_eq!((batches[0].count, batches[0].indices.as_slice()), (2, &[0, 2][..]));
    assert_eq!(batches[0].rgba[4 * 4 * 4], 2, "the second row holds picture 2");
    assert!(batches[0].rgba[2 * 4 * 4 * 4..].iter().all(|&byte| byte == 0));
    assert!(batches[0].problems[0].path.ends_with("001.png"));
    assert_eq!((batches[1].count, batches[1].problems.len()), (2, 1));
}
