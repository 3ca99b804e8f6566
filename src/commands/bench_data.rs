//! `wgvae bench DATA`: the throughput of decoding and loading pictures, without training steps.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use wgvae::data::{self, Cache, DataLoader, Dataset, FolderIndex, PREFETCH, Reading, Source};

use super::output;
use super::terminal::{Bar, bytes, shown};
use super::train::data::{cache, default_memory};
use crate::cli::BenchArgs;

/// Loaded pictures, and the time they took.
struct Loaded {
    images: usize,
    bytes: u64,
    seconds: f64,
}

impl Loaded {
    fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    fn mib_per_second(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.seconds.max(1e-9)
    }
}

pub fn run(args: &BenchArgs, folder: &Path, size: u32, batch: u32) -> Result<ExitCode> {
    let FolderIndex { root, train, validation, test, skipped, .. } = data::scan(folder, 0)?;
    let items = train.into_iter().chain(validation).chain(test).collect();
    let source = Source::Folder { root, items, how: Reading::default() };
    let cache = cache(args.no_cache);
    let bar = Bar::new("decoding", false);
    let began = Instant::now();
    let memory = args.cache.map_or_else(default_memory, |mib| mib.saturating_mul(1 << 20).into());
    let set = |done, all| bar.set(done, all);
    let pictures = Dataset::prepare_cached(source, size, memory, cache.as_ref(), &set);
    let seconds = began.elapsed().as_secs_f64();
    bar.clear();
    let pictures = Arc::new(pictures?);
    let loaded = load(&pictures, batch, args.steps);
    let outcome = Outcome { pictures, skipped: skipped.len(), seconds, loaded };
    if args.json.json {
        println!("{}", outcome.json(args, size, batch));
    } else {
        outcome.say(size, batch, cache.as_ref());
    }
    Ok(ExitCode::SUCCESS)
}

struct Outcome {
    pictures: Arc<Dataset>,
    /// skipped by the scan
    skipped: usize,
    /// seconds of decoding or of reading the cache
    seconds: f64,
    loaded: Loaded,
}

impl Outcome {
    fn skipped(&self) -> usize {
        self.skipped + self.pictures.skipped().len()
    }

    /// Pictures decoded per second. `None` if some came from the cache: the rate would be a mixture.
    fn decode_rate(&self) -> Option<f64> {
        let prepared = self.pictures.prepared();
        (prepared.from_cache == 0).then(|| prepared.decoded as f64 / self.seconds.max(1e-9))
    }

    fn json(&self, args: &BenchArgs, size: u32, batch: u32) -> serde_json::Value {
        let (pictures, prepared) = (&self.pictures, self.pictures.prepared());
        serde_json::json!({
            "pictures": pictures.len(), "skipped": self.skipped(), "from_cache": prepared.from_cache,
            "decoded": prepared.decoded, "in_memory": pictures.in_memory(), "prepare_seconds": self.seconds,
            "decoded_per_second": self.decode_rate(), "images_per_second": self.loaded.images_per_second(),
            "mib_per_second": self.loaded.mib_per_second(), "images": self.loaded.images, "size": size,
            "batch": batch, "steps": args.steps, "note": prepared.note,
        })
    }

    fn say(&self, size: u32, batch: u32, cache: Option<&Cache>) {
        let (pictures, prepared) = (&self.pictures, self.pictures.prepared());
        let place = cache.map_or(String::new(), |cache| format!(" ({})", shown(cache.folder())));
        let rate = self.decode_rate().map_or(String::new(), |rate| format!(", {rate:.1} images/s"));
        output::print(&format!("{} pictures at {size} px, {} skipped", pictures.len(), self.skipped()));
        output::print(&format!(
            "prepared in {:.2} s: {} from the cache{place}, {} decoded{rate}",
            self.seconds, prepared.from_cache, prepared.decoded
        ));
        prepared.note.iter().for_each(|note| output::print(note));
        output::print(&format!(
            "loader {:.1} images/s, {:.1} MiB/s of RGBA ({} images in batches of {batch}); {} of {} pictures in \
             memory ({})",
            self.loaded.images_per_second(),
            self.loaded.mib_per_second(),
            self.loaded.images,
            pictures.in_memory(),
            pictures.len(),
            bytes(pictures.in_memory() as u64 * u64::from(size).pow(2) * 3)
        ));
    }
}

/// Loads `steps` batches in the order of a training.
fn load(pictures: &Arc<Dataset>, batch: u32, steps: u32) -> Loaded {
    let wanted = batch as usize * steps as usize;
    let epochs = (1..).flat_map(|epoch| data::order(0, epoch, pictures.len()));
    let order: Vec<u32> = epochs.take(wanted).collect();
    let batches = data::batches(&order, batch as usize);
    let row = u64::from(pictures.size()).pow(2) * 4;
    let began = Instant::now();
    let images = DataLoader::start(pictures.clone(), batches, 0, PREFETCH).map(|b| b.count).sum();
    Loaded { images, bytes: images as u64 * row, seconds: began.elapsed().as_secs_f64() }
}
