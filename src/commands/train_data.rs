//! The pictures of `wgvae train`: found, decoded, kept, and reported.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use wgvae::config::TrainConfig;
use wgvae::data::{self, Cache, Dataset, Divided, Memory, Prepared, Rules, ScanOptions, Skipped, Source};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::train::Splits;

use super::settings;
use super::terminal::{Bar, Screen, name_skipped, shown};
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
) -> Result<Splits> {
    let memory = memory(asked);
    let cache = settings::cache(asked.no_cache.unwrap_or(false));
    let bar = Bar::logged(if asked.data.is_some() { "decoding" } else { "drawing" }, quiet);
    let progress = |done, all| bar.set(done, all);
    let found = match &asked.data {
        None => landscapes(asked, config, memory, cache.as_ref(), &progress),
        Some(folder) => of_folder(folder, asked, config, memory, cache.as_ref(), &progress),
    };
    bar.clear();
    let Found { data, about, notes, skipped } = found?;
    let Splits { train, validation } = &data;
    name_skipped(screen, &skipped);
    for note in &notes {
        screen.report("folder", note);
    }
    let held = validation.as_ref().map_or(0, |pictures| pictures.len());
    screen.report(
        "pictures",
        &format!("{} for training, {held} for validation, {} skipped: {about}", train.len(), skipped.len()),
    );
    if held == 0 {
        screen.say("there are no pictures to validate on: no validation loss, and no best checkpoint");
    }
    if let Some(cache) = &cache {
        let all = [Some(train), validation.as_ref()];
        let prepared: Vec<_> = all.into_iter().flatten().map(|pictures| pictures.prepared()).collect();
        report_cache(screen, cache, &prepared, if asked.data.is_some() { "decoded" } else { "drawn" });
    }
    if train.decoded_each_time() > 0 {
        let text = format!(
            "{} of {} pictures are decoded again every epoch: {} MiB (--cache) have no room for them",
            train.decoded_each_time(),
            train.len(),
            memory.bytes >> 20
        );
        screen.report("memory", &text);
    }
    Ok(data)
}

/// Pictures, and what is to be said of them.
struct Found {
    data: Splits,
    about: String,
    notes: Vec<String>,
    skipped: Vec<Skipped>,
}

fn landscapes(
    asked: &TrainSettings,
    config: &TrainConfig,
    memory: Memory,
    cache: Option<&Cache>,
    progress: data::Progress<'_>,
) -> Result<Found> {
    let count = asked.landscapes.unwrap_or(LANDSCAPES);
    if !(2..=10_000_000).contains(&count) {
        return Err(Error::Usage(format!("--landscapes {count}: must be between 2 and 10000000")).into());
    }
    let held = (count / 20).clamp(1, 512);
    let prepare = |first: usize, count, bytes| -> Result<Arc<Dataset>> {
        let source = Source::Synthetic { seed: config.seed, first: first as u64, count };
        Ok(Arc::new(Dataset::prepare_cached(source, config.model.size, memory.part(bytes), cache, progress)?))
    };
    let validation = Some(prepare(count - held, held, memory.bytes / 8)?);
    let train = prepare(0, count - held, memory.bytes - memory.bytes / 8)?;
    let about = "built-in landscapes; give a folder to train on your own pictures".to_owned();
    Ok(Found { data: Splits { train, validation }, about, notes: Vec::new(), skipped: Vec::new() })
}

fn of_folder(
    folder: &Path,
    asked: &TrainSettings,
    config: &TrainConfig,
    memory: Memory,
    cache: Option<&Cache>,
    progress: data::Progress<'_>,
) -> Result<Found> {
    let options = ScanOptions {
        seed: config.seed,
        splits: asked.splits.clone().unwrap_or_default(),
        exclude: asked.exclude.clone().unwrap_or_default(),
        include: asked.include.clone().unwrap_or_default(),
        // a run that does not say so is older than the second ones
        rules: asked.folder_rules.unwrap_or(Rules::First),
    };
    let dataset = data::scan_with(folder, &options)?;
    let how = (config.model.size, config.resize);
    let Divided { dataset, train, validation, skipped } =
        data::prepare_folder(dataset, how, memory, cache, progress)?;
    let split = dataset.drawn().map_or(String::new(), |drawn| format!(", {drawn}"));
    let about = format!("{} ({}{split})", shown(folder), dataset.layout);
    let data = Splits { train: Arc::new(train), validation: validation.map(Arc::new) };
    let skipped = [dataset.skipped, skipped].concat();
    Ok(Found { data, about, notes: dataset.notes, skipped })
}

/// Memory for decoded pictures: what was asked for; else, for those that the cache on disk does not hold, 2 GiB, but no more
/// than half of what is free.
fn memory(asked: &TrainSettings) -> Memory {
    asked.cache.map_or_else(unasked, |mib| mib.saturating_mul(1 << 20).into())
}

/// Memory for decoded pictures where nobody has said how much.
pub(super) fn unasked() -> Memory {
    let bytes = wgvae::config::free_memory().map_or(MEMORY, |free| MEMORY.min(free / 2));
    Memory { bytes, beside_cache: false }
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
