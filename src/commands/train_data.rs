//! The pictures of `wgvae train`: found, decoded, kept, and reported.

use std::sync::Arc;

use anyhow::Result;
use wgvae::config::TrainConfig;
use wgvae::data::{self, Cache, Dataset, Pictures, Prepared, Source};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::train::Data;

use super::screen::{Bar, Screen, name_skipped, shown};
use super::settings;
use crate::cli::{Resident, TrainSettings};

/// Landscapes of the built-in data, unless said otherwise.
pub(super) const LANDSCAPES: usize = 2048;
/// Most memory for decoded pictures in bytes, unless said otherwise.
const MEMORY: u64 = 2 << 30;
/// Most bytes of pictures that stay on a GPU unasked.
const RESIDENT: u64 = 1 << 30;

/// Finds and decodes the pictures, and says what was found.
pub(super) fn pictures(
    screen: &Screen,
    asked: &TrainSettings,
    config: &TrainConfig,
    quiet: bool,
) -> Result<Data> {
    let (train, validation, about, skipped) = match &asked.data {
        None => {
            let count = asked.landscapes.unwrap_or(LANDSCAPES);
            if !(2..=10_000_000).contains(&count) {
                return Err(
                    Error::Usage(format!("--landscapes {count}: must be between 2 and 10000000")).into()
                );
            }
            let held = (count / 20).clamp(1, 512);
            let source =
                |first: usize, count| Source::Synthetic { seed: config.seed, first: first as u64, count };
            let about = "built-in landscapes; give a folder to train on your own pictures".to_owned();
            (source(0, count - held), Some(source(count - held, held)), about, Vec::new())
        }
        Some(folder) => {
            let Dataset { root, layout, train, validation, skipped, split_made, .. } =
                data::scan(folder, config.seed)?;
            let source = |items| Source::Folder { root: root.clone(), items, resize: config.resize };
            let split = if split_made { ", split 90/5/5 by the seed" } else { "" };
            let about = format!("{} ({layout}{split})", shown(folder));
            let validation = (!validation.is_empty()).then(|| source(validation));
            (source(train), validation, about, skipped)
        }
    };
    let budget = memory(asked);
    let cache = settings::cache(asked.no_cache.unwrap_or(false));
    let prepare = |source: Source, budget: u64| -> Result<Arc<Pictures>> {
        let bar = Bar::logged(if asked.data.is_some() { "decoding" } else { "drawing" }, quiet);
        let shown = |done, all| bar.set(done, all);
        let pictures = Pictures::prepare_cached(source, config.model.size, budget, cache.as_ref(), &shown);
        bar.clear();
        Ok(Arc::new(pictures?))
    };
    let validation = validation.map(|source| prepare(source, budget / 8)).transpose()?;
    let train = prepare(train, budget - budget / 8)?;
    let bad: Vec<_> = [Some(&train), validation.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(|p| p.skipped().to_vec())
        .collect();
    let all: Vec<_> = skipped.into_iter().chain(bad).collect();
    name_skipped(screen, &all);
    let held = validation.as_ref().map_or(0, |pictures| pictures.len());
    screen.report(
        "pictures",
        &format!("{} for training, {held} for validation, {} skipped: {about}", train.len(), all.len()),
    );
    if held == 0 {
        screen.say("there are no pictures to validate on: no validation loss, and no best checkpoint");
    }
    if let Some(cache) = &cache {
        let all = [Some(&train), validation.as_ref()];
        let prepared: Vec<_> = all.into_iter().flatten().map(|pictures| pictures.prepared()).collect();
        report_cache(screen, cache, &prepared, if asked.data.is_some() { "decoded" } else { "drawn" });
    }
    if train.in_memory() < train.len() {
        let text = format!(
            "{} of {} pictures fit into {} MiB of memory (--cache); of the rest, {} are decoded again every epoch",
            train.in_memory(),
            train.len(),
            budget >> 20,
            train.decoded_each_time()
        );
        screen.report("memory", &text);
    }
    Ok(Data { train, validation })
}

/// Bytes of memory for decoded pictures: what was asked for, else 2 GiB, but no more than half of what is free.
fn memory(asked: &TrainSettings) -> u64 {
    let share = || wgvae::config::free_memory().map_or(MEMORY, |free| MEMORY.min(free / 2));
    asked.cache.map_or_else(share, |mib| mib.saturating_mul(1 << 20))
}

/// How many training pictures are to stay on the device: all or none.
pub(super) fn resident(
    asked: &TrainSettings,
    config: &TrainConfig,
    adapter: &Adapter,
    pictures: usize,
) -> u32 {
    let target = adapter.target();
    let all = u32::try_from(pictures).unwrap_or(u32::MAX);
    let room = u64::from(all) + u64::from(config.batch_size);
    let fits = 4 * u64::from(config.model.size).pow(2) * room <= target.binding_bytes.min(RESIDENT);
    match asked.resident.unwrap_or(Resident::Auto) {
        Resident::Yes => all,
        Resident::Auto if fits && !target.software => all,
        Resident::Auto | Resident::No => 0,
    }
}

/// How many pictures were there already, and how many had to be made.
fn report_cache(screen: &Screen, cache: &Cache, prepared: &[&Prepared], made: &str) {
    let from_cache: usize = prepared.iter().map(|one| one.from_cache).sum();
    let decoded: usize = prepared.iter().map(|one| one.decoded).sum();
    let text = format!("{from_cache} pictures from {}, {decoded} {made}", shown(cache.folder()));
    screen.report("cache", &text);
    for note in prepared.iter().filter_map(|one| one.note.as_ref()) {
        screen.say(note);
    }
}
