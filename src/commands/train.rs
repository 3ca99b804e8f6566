//! `wgvae train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use wgvae::checkpoint::Checkpoint;
use wgvae::config::TrainConfig;
use wgvae::data::{self, Cache, Dataset, Pictures, Prepared, Source};
use wgvae::error::Error;
use wgvae::gpu::{Adapter, Element};
use wgvae::model::{Build, Place, Vae};
use wgvae::ops::Tuning;
use wgvae::train::{Data, End, RunFolder, Trainer};
use wgvae::tune;
use wgvae::tune::file::TuningFile;

use super::screen::{Bar, Screen, bytes, count, name_skipped, shown};
use super::settings;
use crate::cli::{AdapterArgs, Resident, TrainArgs, TrainSettings, TuningArgs};

/// Landscapes of the built-in data, unless said otherwise.
const LANDSCAPES: usize = 2048;
/// Memory for decoded pictures in MiB, unless said otherwise.
const MEMORY: u64 = 2048;

/// Most bytes of pictures that stay on a GPU unasked.
const RESIDENT: u64 = 1 << 30;

/// Exit code of a training that was stopped by a signal.
const STOPPED: u8 = 130;

pub fn run(args: TrainArgs) -> Result<ExitCode> {
    let mut asked = settings::merge(args.config.as_deref(), args.settings)?;
    asked.data = args.data.or(asked.data);
    let (run, asked, checkpoint) = if args.resume { resumed(asked, args.quiet)? } else { fresh(asked)? };
    let config = settings::training(&asked, asked.data.is_some())?;
    let micro = settings::micro_batch(asked.micro_batch.as_deref())?;
    let adapter = AdapterArgs { adapter: asked.adapter.clone(), backend: asked.backend.clone() };
    let adapter = super::choose(&adapter)?;
    let screen = Screen::new(args.quiet, config.epochs, adapter.is_software());
    if let Some((folder, checkpoint)) = &checkpoint {
        fits(&config, checkpoint, folder)?;
        if checkpoint.state.epoch > config.epochs {
            screen
                .say(&format!("{} has all its {} epochs; give more with --epochs", run.name, config.epochs));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let build =
        Build { micro, precision: config.precision, ..Build::training(config.model, config.batch_size) };
    let (_, plan) = build.plan(&adapter.target())?;
    adapter.target().check(&plan)?;
    drop(plan);
    screen.report("adapter", &adapter.describe());
    let tuning = forms(&adapter, &build, &args.tuning, &run, args.quiet)?;
    let data = pictures(&screen, &asked, &config, args.quiet)?;
    if let Some((folder, checkpoint)) = &checkpoint {
        same_data(&screen, &data, checkpoint, folder)?;
    }
    if checkpoint.is_none() {
        run.create()?;
        write_settings(&run.path, &asked, &config)?;
    }
    let build = Build { kept: resident(&asked, &config, &adapter, data.train.len()), ..build };
    train(
        screen,
        (&adapter, &tuning),
        build,
        data,
        run,
        (config, checkpoint.map(|(_, checkpoint)| checkpoint)),
    )
}

fn runs(asked: &TrainSettings) -> PathBuf {
    asked.runs.clone().unwrap_or_else(|| "runs".into())
}

fn samples(asked: &TrainSettings) -> PathBuf {
    asked.samples.clone().unwrap_or_else(|| "samples".into())
}

type Start = (RunFolder, TrainSettings, Option<(PathBuf, Checkpoint)>);

/// A new run: its name is the data folder's, made free.
fn fresh(asked: TrainSettings) -> Result<Start> {
    let folder = asked.data.as_deref().and_then(|path| path.canonicalize().ok());
    let folder = folder.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let base = folder.map_or_else(|| "landscapes".into(), |name| name.chars().map(plain).collect::<String>());
    let base = base.trim_start_matches('.').to_owned();
    let base = if base.is_empty() { "run".into() } else { base };
    let name = asked.name.clone().unwrap_or_else(|| RunFolder::free_name(&runs(&asked), &base));
    let run = RunFolder::open(&runs(&asked), &name, &samples(&asked))?;
    run.vacant()?;
    Ok((run, asked, None))
}

/// The run to go on with; its own settings stand below the flags.
fn resumed(asked: TrainSettings, quiet: bool) -> Result<Start> {
    let runs = runs(&asked);
    let name = asked.name.clone().or_else(|| RunFolder::newest(&runs));
    let name = name.ok_or_else(|| Error::Usage(format!("--resume: no run in {}", shown(&runs))))?;
    let run = RunFolder::open(&runs, &name, &samples(&asked))?;
    let path = run.path.join("config.toml");
    if !path.exists() {
        return Err(Error::Usage(format!("--resume: {} is not a run", shown(&run.path))).into());
    }
    let asked = settings::merge(Some(&path), asked)?;
    let run = RunFolder { samples: samples(&asked), ..run };
    let (folder, checkpoint, broken) = run.newest_checkpoint()?;
    for error in broken {
        eprintln!("passed over: {error}");
    }
    if !quiet {
        println!("resuming {} from {} (step {})", name, shown(&folder), checkpoint.state.step);
    }
    Ok((run, asked, Some((folder, checkpoint))))
}

/// The forms of the kernels: a resumed run keeps those that it began with, unless told otherwise.
fn forms(
    adapter: &Adapter,
    build: &Build,
    flags: &TuningArgs,
    run: &RunFolder,
    quiet: bool,
) -> Result<Tuning> {
    let own = run.path.join(tune::file::NAME);
    if flags.tuning.is_none() && !flags.no_tune && own.exists() {
        match super::tune::replay(adapter, &own) {
            Ok(tuning) => return Ok(tuning),
            Err(error) => eprintln!(
                "{error}
the run goes on in forms chosen for this adapter"
            ),
        }
    }
    super::tune::choose(adapter, build, flags, quiet)
}

/// A checkpoint can only be gone on with under the settings that decide what a step is.
fn fits(config: &TrainConfig, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    let was = &checkpoint.state.config;
    let same = was.model == config.model && was.batch_size == config.batch_size && was.seed == config.seed;
    if same && was.resize == config.resize && was.precision == config.precision {
        return Ok(());
    }
    let text = |c: &TrainConfig| {
        let m = c.model;
        let (size, hidden, latent, batch) = (m.size, m.hidden, m.latent, c.batch_size);
        format!(
            "--size {size} --hidden {hidden} --latent {latent} --batch-size {batch} --seed {} --resize {} \
             --precision {}",
            c.seed,
            c.resize,
            c.precision.name()
        )
    };
    let reason = format!("was made with {}\nand cannot go on with {}", text(was), text(config));
    Err(Error::model(folder, reason).into())
}

/// In the middle of an epoch the order of its pictures must stay; at its end others may come in.
fn same_data(screen: &Screen, data: &Data, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    if checkpoint.state.data == format!("{:016x}", data.train.fingerprint()) {
        return Ok(());
    }
    if checkpoint.state.cursor > 0 {
        let reason = "was written within an epoch of other training pictures than are there now; put those back, \
                      or start a new run";
        return Err(Error::model(folder, reason).into());
    }
    screen.say("the training pictures are not those that the run began with; it goes on with the new ones");
    Ok(())
}

/// Finds and decodes the pictures, and says what was found.
fn pictures(screen: &Screen, asked: &TrainSettings, config: &TrainConfig, quiet: bool) -> Result<Data> {
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
    let budget = asked.cache.unwrap_or(MEMORY).saturating_mul(1 << 20);
    let cache = settings::cache(asked.no_cache.unwrap_or(false));
    let prepare = |source: Source, budget: u64| -> Result<Arc<Pictures>> {
        let bar = Bar::new(if asked.data.is_some() { "decoding" } else { "drawing" }, quiet);
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
            "{} of {} pictures fit --cache {} MiB of memory; of the rest, {} are decoded again every epoch",
            train.in_memory(),
            train.len(),
            budget >> 20,
            train.decoded_each_time()
        );
        screen.report("memory", &text);
    }
    Ok(Data { train, validation })
}

/// How many training pictures are to stay on the device: all or none.
fn resident(asked: &TrainSettings, config: &TrainConfig, adapter: &Adapter, pictures: usize) -> u32 {
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

/// Every setting, resolved, so that the run can be repeated.
fn write_settings(run: &Path, asked: &TrainSettings, config: &TrainConfig) -> Result<()> {
    let resolved = TrainSettings {
        preset: None,
        size: Some(config.model.size),
        hidden: Some(config.model.hidden),
        latent: Some(config.model.latent),
        batch_size: Some(config.batch_size),
        epochs: Some(config.epochs),
        lr: Some(config.lr),
        beta: Some(config.beta),
        seed: Some(config.seed),
        resize: Some(config.resize),
        precision: Some(config.precision.into()),
        name: None, // the folder's
        runs: None,
        data: asked.data.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())),
        samples: Some(samples(asked)),
        cache: Some(asked.cache.unwrap_or(MEMORY)),
        landscapes: asked.data.is_none().then(|| asked.landscapes.unwrap_or(LANDSCAPES)),
        ..asked.clone()
    };
    let text = toml::to_string(&resolved).map_err(|e| anyhow::anyhow!("config.toml: {e}"))?;
    let path = run.join("config.toml");
    let head = format!("# wgvae {}: every setting of this run\n", env!("CARGO_PKG_VERSION"));
    std::fs::write(&path, head + &text).map_err(Error::io("write", &path))?;
    Ok(())
}

fn train(
    mut screen: Screen,
    (adapter, tuning): (&Adapter, &Tuning),
    build: Build,
    data: Data,
    run: RunFolder,
    (config, checkpoint): (TrainConfig, Option<Checkpoint>),
) -> Result<ExitCode> {
    let place = Place::Tuned(adapter, tuning);
    let vae = match checkpoint {
        Some(_) => Vae::empty(place, build)?,
        None => Vae::new(place, build, config.seed)?,
    };
    // the run's own table, so that --resume and --tuning compute the same bits again
    TuningFile::new(adapter, tuning.used()).write(&run.path.join(tune::file::NAME))?;
    let m = config.model;
    let parameters = count(m.parameters());
    screen.report(
        "model",
        &format!("{} px, hidden {}, latent {}: {parameters} parameters", m.size, m.hidden, m.latent),
    );
    let rounds = config.batch_size.div_ceil(vae.micro());
    let parts =
        if rounds == 1 { "at once".into() } else { format!("in {rounds} micro-batches of {}", vae.micro()) };
    let memory = bytes(vae.plan().bytes());
    let half = if vae.precision() == Element::F16 { ", activations and their gradients in f16" } else { "" };
    let stay = if vae.kept() > 0 { ", the training pictures among them" } else { "" };
    screen.report(
        "batch",
        &format!("{} pictures {parts}; {memory} on the device{stay}{half}", config.batch_size),
    );
    screen.report("run", &format!("{}; losses in nats per image", shown(&run.path)));
    if adapter.is_software() {
        screen.say(
            "the first step compiles the kernels; on a software adapter that takes a minute or two, once",
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    catch_signals(&stop)?;
    let folder = run.path.clone();
    let mut trainer = Trainer::new(vae, data, run, (config, checkpoint), stop)?;
    let end = trainer.train(&mut screen);
    screen.clear();
    match end? {
        End::Finished => {
            if let Some(best) = &trainer.state().best {
                screen.say(&format!("best: {} with validation loss {:.1}", best.name, best.loss));
            }
            for picture in &screen.pictures {
                screen.say(&format!("wrote {}", shown(picture)));
            }
            screen.say(&format!("more pictures: wgvae sample {}", shown(&folder)));
            Ok(ExitCode::SUCCESS)
        }
        End::Stopped(checkpoint) => {
            screen.say(&format!("stopped; wrote {}", shown(&checkpoint)));
            let [name, runs] =
                [folder.file_name().map(Path::new), folder.parent()].map(|p| shown(p.unwrap_or(&folder)));
            let runs = if runs == "runs" { String::new() } else { format!(" --runs {runs:?}") };
            let name = if name.contains(' ') { format!("{name:?}") } else { name };
            screen.say(&format!("go on with: wgvae train --resume --name {name}{runs}"));
            Ok(ExitCode::from(STOPPED))
        }
    }
}

/// The first signal ends the training after its step, the second at once.
fn catch_signals(stop: &Arc<AtomicBool>) -> Result<()> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            std::process::exit(STOPPED.into());
        }
        eprintln!("\nfinishing the step and writing a checkpoint; once more to stop at once");
    })?;
    Ok(())
}
