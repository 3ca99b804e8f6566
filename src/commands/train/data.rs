//! The pictures of a training: found, decoded, cached, and reported.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use wgvae::config::{TrainConfig, cache_folder};
use wgvae::data::{self, Cache, Dataset, Divided, Memory, Prepared, Rules, ScanOptions, Skipped, Source};
use wgvae::gpu::Adapter;
use wgvae::train::Splits;

use super::settings::RunOptions;
use crate::cli::Resident;
use crate::commands::terminal::{Bar, Screen, name_skipped, shown};

/// Default memory for decoded pictures in bytes.
const MEMORY: u64 = 2 << 30;
/// Largest size in bytes of a data set that `--resident auto` keeps on a GPU.
const RESIDENT: u64 = 1 << 30;

/// The cache of decoded pictures on disk, unless `--no-cache`.
pub(in crate::commands) fn cache(no_cache: bool) -> Option<Cache> {
    let folder = cache_folder().filter(|_| !no_cache)?;
    Some(Cache::new(folder.join("pictures")))
}

/// Finds and decodes the pictures, and reports them.
pub(in crate::commands) fn pictures(
    screen: &Screen,
    options: &RunOptions,
    config: &TrainConfig,
    quiet: bool,
) -> Result<Splits> {
    let memory = memory(options);
    let cache = cache(options.no_cache);
    let bar = Bar::logged(if options.data.is_some() { "decoding" } else { "drawing" }, quiet);
    let progress = |done, all| bar.set(done, all);
    let found = match &options.data {
        None => landscapes(options, config, memory, cache.as_ref(), &progress),
        Some(folder) => of_folder(folder, options, config, memory, cache.as_ref(), &progress),
    };
    bar.clear();
    let Found { data, about, notes, skipped } = found?;
    let Splits { train, validation, .. } = &data;
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
        screen.say("there are no validation pictures: no validation loss, and no best checkpoint");
    }
    if let Some(cache) = &cache {
        let all = [Some(train), validation.as_ref()];
        let prepared: Vec<_> = all.into_iter().flatten().map(|pictures| pictures.prepared()).collect();
        report_cache(screen, cache, &prepared, if options.data.is_some() { "decoded" } else { "drawn" });
    }
    if train.decoded_each_time() > 0 {
        let text = format!(
            "{} of {} pictures are decoded again in every epoch: they do not fit into {} MiB (--cache)",
            train.decoded_each_time(),
            train.len(),
            memory.bytes >> 20
        );
        screen.report("memory", &text);
    }
    Ok(data)
}

/// Pictures, and the lines to report about them.
struct Found {
    data: Splits,
    about: String,
    notes: Vec<String>,
    skipped: Vec<Skipped>,
}

fn landscapes(
    options: &RunOptions,
    config: &TrainConfig,
    memory: Memory,
    cache: Option<&Cache>,
    progress: data::Progress<'_>,
) -> Result<Found> {
    let count = options.landscapes;
    let held = held_landscapes(count);
    let prepare = |first: usize, count, bytes| -> Result<Arc<Dataset>> {
        let source = Source::Synthetic { seed: config.seed, first: first as u64, count };
        Ok(Arc::new(Dataset::prepare_cached(source, config.model.size, memory.part(bytes), cache, progress)?))
    };
    let validation = Some(prepare(count - held, held, memory.bytes / 8)?);
    let train = prepare(0, count - held, memory.bytes - memory.bytes / 8)?;
    let about = "built-in landscapes; give a folder to train on your own pictures".to_owned();
    let classes = data::Biome::ALL.map(|biome| biome.to_string()).to_vec();
    Ok(Found { data: Splits { train, validation, classes }, about, notes: Vec::new(), skipped: Vec::new() })
}

/// The number of landscapes of `count` that are held out: the last ones.
pub(in crate::commands) fn held_landscapes(count: usize) -> usize {
    (count / 20).clamp(1, 512)
}

fn of_folder(
    folder: &Path,
    options: &RunOptions,
    config: &TrainConfig,
    memory: Memory,
    cache: Option<&Cache>,
    progress: data::Progress<'_>,
) -> Result<Found> {
    let dataset = data::scan_with(folder, &scan_options(options, config))?;
    let how = (config.model.size, config.reading());
    let Divided { dataset, train, validation, skipped } =
        data::prepare_folder(dataset, how, memory, cache, progress)?;
    let split = dataset.drawn().map_or(String::new(), |drawn| format!(", {drawn}"));
    let about = format!("{} ({}{split})", shown(folder), dataset.layout);
    let classes = dataset.classes.clone();
    let data = Splits { train: Arc::new(train), validation: validation.map(Arc::new), classes };
    let skipped = [dataset.skipped, skipped].concat();
    Ok(Found { data, about, notes: dataset.notes, skipped })
}

/// The rules that find and split the pictures of a run's folder.
pub(in crate::commands) fn scan_options(options: &RunOptions, config: &TrainConfig) -> ScanOptions {
    ScanOptions {
        seed: config.seed,
        splits: options.splits.clone(),
        exclude: options.exclude.clone(),
        include: options.include.clone(),
        colour: config.colour,
        // a run without this setting is older than the second rules
        rules: options.folder_rules.unwrap_or(Rules::First),
    }
}

/// Memory for decoded pictures: that of `--cache`, else the default.
pub(in crate::commands) fn memory(options: &RunOptions) -> Memory {
    options.cache.map_or_else(default_memory, |mib| mib.saturating_mul(1 << 20).into())
}

/// Default memory for the decoded pictures that the cache on disk does not hold: 2 GiB, at most half of the free memory.
pub(in crate::commands) fn default_memory() -> Memory {
    let bytes = wgvae::config::free_memory().map_or(MEMORY, |free| MEMORY.min(free / 2));
    Memory { bytes, beside_cache: false }
}

/// Number of training pictures to keep in GPU memory: all or 0.
pub(super) fn resident(
    options: &RunOptions,
    config: &TrainConfig,
    adapter: &Adapter,
    pictures: usize,
) -> u32 {
    let target = adapter.capabilities();
    let all = u32::try_from(pictures).unwrap_or(u32::MAX);
    let room = u64::from(all) + u64::from(config.batch_size);
    let fits = 4 * u64::from(config.model.size).pow(2) * room <= target.binding_bytes.min(RESIDENT);
    match options.resident {
        Resident::Yes => all,
        Resident::Auto if fits && !target.software => all,
        Resident::Auto | Resident::No => 0,
    }
}

/// Reports the numbers of pictures from the cache and of new ones.
fn report_cache(screen: &Screen, cache: &Cache, prepared: &[&Prepared], made: &str) {
    let from_cache: usize = prepared.iter().map(|one| one.from_cache).sum();
    let decoded: usize = prepared.iter().map(|one| one.decoded).sum();
    let text = format!("{from_cache} pictures from {}, {decoded} {made}", shown(cache.folder()));
    screen.report("cache", &text);
    for note in prepared.iter().filter_map(|one| one.note.as_ref()) {
        screen.say(note);
    }
}
