//! A data loader: batches prepared ahead of the training step by a separate thread.
//! Read this for batch order, short batches and files that become unreadable.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, bounded};
use rayon::prelude::*;

use super::dataset::Dataset;
use super::text::Skipped;

/// Default number of prefetched batches: enough that the GPU does not wait, and few are in memory.
pub const PREFETCH: usize = 3;

/// The pictures of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Step within the epoch, from 0; it includes the steps before `first_step`.
    pub step: usize,
    /// Number of rows that hold a picture: less than the batch size at the end of an epoch and if a file has become
    /// unreadable, 0 if all files of the batch have.
    pub count: usize,
    /// RGBA8 `[batch, size, size, 4]`, alpha 0. Pictures come first; the rows from `count` on are zero.
    pub rgba: Vec<u8>,
    /// Index in [`Dataset`] of each of the `count` rows.
    pub indices: Vec<u32>,
    /// Files of this batch that could not be read.
    pub problems: Vec<Skipped>,
}

/// An iterator over the batches of one epoch.
///
/// Dropping it stops the thread, after at most the batch that is being prepared.
#[derive(Debug)]
pub struct DataLoader {
    // `drop` takes it: a thread that is blocked in send must see the channel closed before it is joined
    batches: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl DataLoader {
    /// Starts preparing `batches` (indices in `pictures`, see [`batches`]) from step `first_step` on, at most `prefetch`
    /// ahead.
    ///
    /// Starting at step `n` gives exactly the batches from the `n`th on of a start at 0.
    ///
    /// # Panics
    /// If an index is out of range: a programming mistake.
    pub fn start(pictures: Arc<Dataset>, batches: Vec<Vec<u32>>, first_step: usize, prefetch: usize) -> Self {
        let beyond = batches.iter().flatten().find(|&&index| index as usize >= pictures.len());
        assert!(beyond.is_none(), "DataLoader::start: picture {beyond:?} of {}", pictures.len());
        let most = batches.iter().map(Vec::len).max().unwrap_or(0);
        let (sender, receiver) = bounded(prefetch);
        let work = move || {
            for (step, indices) in batches.iter().enumerate().skip(first_step) {
                if sender.send(assemble(&pictures, step, indices, most)).is_err() {
                    return;
                }
            }
        };
        let thread =
            Builder::new().name("loader".into()).spawn(work).expect("the system cannot start another thread");
        Self { batches: Some(receiver), thread: Some(thread) }
    }
}

impl Iterator for DataLoader {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if let Ok(batch) = self.batches.as_ref()?.recv() {
            return Some(batch);
        }
        // the end, or a panic in the thread, which must not look like a short epoch
        self.batches = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl Drop for DataLoader {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // a panic has been reported by its hook; a second one while dropping would abort
            let _ = thread.join();
        }
    }
}

/// The batches of `order`, of `batch` pictures each; the last one may be short.
///
/// # Panics
/// If `batch` is 0: a programming mistake.
pub fn batches(order: &[u32], batch: usize) -> Vec<Vec<u32>> {
    order.chunks(batch).map(<[u32]>::to_vec).collect()
}

/// The batches of [`DataLoader::start`] without pixels, for a training whose pictures are resident on the GPU.
pub fn indices_only(batches: Vec<Vec<u32>>, first_step: usize) -> impl Iterator<Item = Batch> {
    batches.into_iter().enumerate().skip(first_step).map(|(step, indices)| Batch {
        step,
        count: indices.len(),
        rgba: Vec::new(),
        indices,
        problems: Vec::new(),
    })
}

fn assemble(pictures: &Dataset, step: usize, wanted: &[u32], batch: usize) -> Batch {
    let row_bytes = (pictures.size() as usize).pow(2) * 4;
    let mut rgba = vec![0; batch * row_bytes];
    let rows: Vec<Result<(), Skipped>> = rgba
        .par_chunks_mut(row_bytes)
        .zip(wanted)
        .map(|(row, &index)| {
            let rgb = pictures.pixels(index as usize)?;
            for (to, from) in row.chunks_exact_mut(4).zip(rgb.chunks_exact(3)) {
                to[..3].copy_from_slice(from);
            }
            Ok(())
        })
        .collect();
    let (mut indices, mut problems) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (at, (row, &index)) in rows.into_iter().zip(wanted).enumerate() {
        match row {
            Ok(()) => {
                // close the gaps, in order
                rgba.copy_within(at * row_bytes..(at + 1) * row_bytes, indices.len() * row_bytes);
                indices.push(index);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let count = indices.len();
    if !problems.is_empty() {
        rgba[count * row_bytes..].fill(0);
    }
    Batch { step, count, rgba, indices, problems }
}
