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
    /// Starts preparing the batches of `order` (indices in `pictures`, see [`super::order`]) from step `first_step` on,
    /// at most `prefetch` ahead; the last batch may be short.
    ///
    /// Starting at step `n` gives exactly the batches from the `n`th on of a start at 0.
    ///
    /// # Panics
    /// If `batch` is 0 or an index is out of range: programming mistakes.
    pub fn start(
        pictures: Arc<Dataset>,
        order: Vec<u32>,
        batch: usize,
        first_step: usize,
        prefetch: usize,
    ) -> Self {
        assert!(batch > 0, "DataLoader::start: a batch of 0 pictures");
        let beyond = order.iter().find(|&&index| index as usize >= pictures.len());
        assert!(beyond.is_none(), "DataLoader::start: picture {beyond:?} of {}", pictures.len());
        let (sender, receiver) = bounded(prefetch);
        let work = move || {
            for (step, indices) in order.chunks(batch).enumerate().skip(first_step) {
                if sender.send(assemble(&pictures, step, indices, batch)).is_err() {
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

/// The batches of [`DataLoader::start`] without pixels, for a training whose pictures are resident on the GPU.
///
/// # Panics
/// If `batch` is 0: a programming mistake.
pub fn indices_only(order: Vec<u32>, batch: usize, first_step: usize) -> impl Iterator<Item = Batch> {
    assert!(batch > 0, "indices_only: a batch of 0 pictures");
    let steps = order.len().div_ceil(batch);
    (first_step..steps).map(move |step| {
        let indices = order[step * batch..order.len().min((step + 1) * batch)].to_vec();
        Batch { step, count: indices.len(), rgba: Vec::new(), indices, problems: Vec::new() }
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
