//! `wgvae train`.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, State};
use wgvae::config::{LrSchedule, TrainConfig};
use wgvae::data;
use wgvae::error::Error;
use wgvae::gpu::{Adapter, Element};
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train::{self, Attempt, RunFolder, Splits, TrainOptions, TrainOutcome, Trainer};
use wgvae::tune;
use wgvae::tune::file::TuningFile;

use super::terminal::{Screen, bytes, count, shown};
use super::train_changes::changed;
use super::train_data::{LANDSCAPES, pictures, resident};
use super::train_resume::run_around;
use super::train_start::{Origin, Start, samples, start};
use super::train_storage::report_storage;
use super::{output, settings, signals};
use crate::cli::{AdapterArgs, TrainArgs, TrainSettings, TuningArgs};

pub fn run(args: TrainArgs) -> Result<ExitCode> {
    let mut asked = settings::merge(args.config.as_deref(), args.settings)?;
    asked.data = args.data.or(asked.data);
    if let Some(data) = asked.data.as_ref().filter(|path| path.to_str().is_none()) {
        // config.toml is text, and a run must be able to find its pictures again
        let reason = "the folder's name is not UTF-8; rename it, or give it by a link with a plain name";
        return Err(Error::data(data, reason).into());
    }
    if asked.checkpoint_every == Some(0) {
        return Err(Error::Usage("--checkpoint-every: must be at least 1".into()).into());
    }
    if let Some((data, run)) = asked.data.as_deref().and_then(|data| Some((data, run_around(data)?))) {
        let (data, run) = (shown(data), shown(&run));
        let reason = format!(
            "{data} is a run, or lies in one, and no folder of photographs; wgvae train --resume {run} goes on with it"
        );
        return Err(Error::Usage(reason).into());
    }
    let start = start(asked, args.resume.resume.as_ref(), args.quiet)?;
    let Start { run, asked, config, mut origin, lock } = start;
    let adapter = AdapterArgs { adapter: asked.adapter.clone(), backend: asked.backend.clone() };
    let adapter = super::choose_keeping(&adapter)?;
    let screen = Screen::new(args.quiet, config.epochs, adapter.is_software());
    if let Some(Checkpoint { state, .. }) = origin.checkpoint()
        && let Some(over) = over(state, &config)
        && run.has_sample_grids(state)
    {
        run.repair_best(state)?;
        screen.say(&format!("{} {over}", run.name));
        return Ok(ExitCode::SUCCESS);
    }
    let build = ModelOptions {
        micro: settings::micro_batch(asked.micro_batch.as_deref())?.or_else(|| same_micro(&origin, &adapter)),
        ..ModelOptions::of(&config)
    };
    let (_, plan) = build.plan(&adapter.target())?;
    plan.check_limits(&adapter.target())?;
    drop(plan);
    screen.report("adapter", &adapter.describe());
    if let Some(hint) = &adapter.hint {
        screen.say(hint);
    }
    let tuning = forms(&adapter, &build, &args.tuning, &run, args.quiet)?;
    let data = pictures(&screen, &asked, &config, args.quiet)?;
    let watches = config.optimizer.patience.is_some() || config.optimizer.lr_schedule == LrSchedule::Plateau;
    if watches && data.validation.is_none() {
        let reason = "--patience and --lr-schedule plateau watch the validation loss, and there are no pictures for it";
        return Err(Error::Usage(reason.into()).into());
    }
    if let Some(reason) = &lock.missing {
        let run = shown(&run.path);
        output::note(&format!(
            "no lock for {run} ({reason}): see to it that no other process trains this run"
        ));
    }
    if let Origin::Own(folder, checkpoint) = &mut origin {
        changed(&screen, &mut checkpoint.state, folder, (&config, &data, &args.resume))?;
    }
    report_storage(&screen, &run, &asked, &config)?;
    // what was said with --resume stays
    write_settings(&run.path, &asked, &config)?;
    match &mut origin {
        // so that --resume finds it, whatever happens before the run's own first checkpoint
        Origin::Imported(checkpoint) => {
            checkpoint.state.data = data.train.digest();
            let name = format!("step_{:08}", checkpoint.state.step);
            checkpoint::save(&run.checkpoints(), &name, checkpoint)?;
        }
        Origin::Own(folder, checkpoint) if folder.parent() != Some(&run.checkpoints()) => {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            checkpoint::save(&run.checkpoints(), &name, checkpoint)?;
        }
        Origin::Own(..) | Origin::Seed | Origin::Parameters(_) => {}
    }
    let build = ModelOptions { resident: resident(&asked, &config, &adapter, data.train.len()), ..build };
    let training = Training { tuning, build, data, run, config, origin, asked };
    train(screen, adapter, &training)
}

/// Why a run has come to its end, and how to go on all the same.
fn over(state: &State, config: &TrainConfig) -> Option<String> {
    let state = State { config: config.clone(), ..state.clone() };
    if state.epoch > config.epochs {
        return Some(format!("has all its {} epochs; give more with --epochs", config.epochs));
    }
    state.out_of_patience().then(|| {
        let bad = state.bad_epochs;
        format!("has ended: {bad} epochs without a lower validation loss; give more --patience to go on")
    })
}

/// The micro-batch that the run had on this adapter: another one would round differently.
fn same_micro(origin: &Origin, adapter: &Adapter) -> Option<u32> {
    let state = &origin.checkpoint()?.state;
    (state.adapter == adapter.describe() && state.micro_batch > 0).then_some(state.micro_batch)
}

/// The forms of the kernels: a resumed run keeps those that it began with, unless told otherwise.
fn forms(
    adapter: &Adapter,
    build: &ModelOptions,
    flags: &TuningArgs,
    run: &RunFolder,
    quiet: bool,
) -> Result<Tuning> {
    let own = run.path.join(tune::file::NAME);
    if flags.tuning.is_none() && !flags.no_tune && own.exists() {
        match super::tune::replay(adapter, &own) {
            Ok(tuning) => return Ok(tuning),
            Err(error) => {
                output::note(&format!("{error}\nthe run goes on in forms chosen for this adapter"));
            }
        }
    }
    super::tune::choose(adapter, build, flags, quiet)
}

/// Every setting, resolved, so that the run can be repeated.
fn write_settings(run: &Path, asked: &TrainSettings, config: &TrainConfig) -> Result<()> {
    let resolved = TrainSettings {
        name: None, // the folder's
        runs: None,
        data: asked.data.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())),
        init: asked.init.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())),
        samples: Some(samples(asked)),
        landscapes: asked.data.is_none().then(|| asked.landscapes.unwrap_or(LANDSCAPES)),
        keep: Some(asked.keep.unwrap_or_default()),
        ..settings::over(settings::of(config), TrainSettings { preset: None, ..asked.clone() })
    };
    let text = toml::to_string(&resolved).map_err(|e| anyhow::anyhow!("config.toml: {e}"))?;
    let path = run.join(train::SETTINGS);
    let head = format!("# wgvae {}: every setting of this run\n", env!("CARGO_PKG_VERSION"));
    Ok(data::write_whole(&path, |file| file.write_all((head.clone() + &text).as_bytes()))?)
}

/// All that a training is made of but the device.
struct Training {
    tuning: Tuning,
    build: ModelOptions,
    data: Splits,
    run: RunFolder,
    config: TrainConfig,
    origin: Origin,
    asked: TrainSettings,
}

fn train(mut screen: Screen, adapter: Adapter, training: &Training) -> Result<ExitCode> {
    let Training { tuning, build, run, config, .. } = training;
    let m = config.model;
    let parameters = count(m.parameters());
    screen.report(
        "model",
        &format!("{} px, hidden {}, latent {}: {parameters} parameters", m.size, m.hidden, m.latent),
    );
    let stop = Arc::new(AtomicBool::new(false));
    signals::catch(&stop)?;
    let micro = build.resolve_micro_batch(&adapter.target())?;
    let mut adapter = Some(adapter);
    // of the checkpoints only what they say of themselves: their tensors may be gigabytes
    let newest = || checkpoint::list(&run.checkpoints()).ok()?.whole.pop();
    let progress = || newest().map_or(0, |(_, state)| state.step);
    let end = train::retry(micro, progress, |attempt| {
        let adapter = match adapter.take() {
            Some(adapter) => adapter,
            None => {
                let Attempt { micro, failure } = &attempt;
                screen.clear();
                let failure = failure.as_deref().unwrap_or_default();
                output::note(&format!(
                    "{failure}\ntrying again on a new device, in micro-batches of {micro}"
                ));
                let TrainSettings { adapter, backend, .. } = &training.asked;
                super::choose_keeping(&AdapterArgs { adapter: adapter.clone(), backend: backend.clone() })
                    .map_err(|error| Error::Device(format!("{error:#}")))?
            }
        };
        let tuning = if attempt.failure.is_none() { tuning } else { &Tuning::of(&adapter.target()) };
        one(&mut screen, (&adapter, tuning), training, &attempt, &stop)
    });
    screen.clear();
    let (end, state) = match end {
        Ok(end) => end,
        Err(error @ (Error::Device(_) | Error::Io { .. })) => {
            output::note(&format!("error: {error}\n{}", advice(&error, run)));
            return Ok(ExitCode::from(error.exit_code()));
        }
        Err(error) => return Err(error.into()),
    };
    let folder = &run.path;
    match end {
        TrainOutcome::Finished | TrainOutcome::Early(_) => {
            if let TrainOutcome::Early(epochs) = end {
                screen.say(&format!(
                    "ended early: the validation loss has not fallen for {epochs} epochs (--patience)"
                ));
            }
            if let Some(best) = &state.best {
                screen.say(&format!("best: {} with validation loss {:.1}", best.name, best.loss));
            }
            for picture in &screen.pictures {
                screen.say(&format!("wrote {}", shown(picture)));
            }
            screen.say(&format!("more pictures: wgvae sample {}", shown(folder)));
            Ok(ExitCode::SUCCESS)
        }
        TrainOutcome::Stopped(checkpoint) => {
            screen.say(&format!("stopped; wrote {}", shown(&checkpoint)));
            screen.say(&format!("go on with: {}", resume_command(folder)));
            Ok(ExitCode::from(signals::STOPPED))
        }
    }
}

/// One attempt at the training: from where it begins, or after a failure from the run's newest checkpoint.
fn one(
    screen: &mut Screen,
    (adapter, tuning): (&Adapter, &Tuning),
    training: &Training,
    attempt: &Attempt,
    stop: &Arc<AtomicBool>,
) -> Result<(TrainOutcome, State), Error> {
    let Training { data, run, config, origin, asked, .. } = training;
    let place = Device::Tuned(adapter, tuning);
    let build = ModelOptions { micro: Some(attempt.micro), ..training.build };
    let newest = || run.newest_checkpoint().ok().map(|(_, checkpoint, _)| checkpoint);
    let again = if attempt.failure.is_some() { newest() } else { None };
    let checkpoint = again.or_else(|| origin.checkpoint().cloned());
    let vae = match (&checkpoint, origin) {
        (None, Origin::Seed) => Vae::new(place, build, config.seed)?,
        (None, Origin::Parameters(weights)) => {
            let mut vae = Vae::empty(place, build)?;
            vae.load(weights)?;
            vae
        }
        _ => Vae::empty(place, build)?,
    };
    // the run's own table, so that --resume and --tuning compute the same bits again
    TuningFile::new(adapter, tuning.used()).write(&run.path.join(tune::file::NAME))?;
    let rounds = config.batch_size.div_ceil(vae.micro_batch());
    let parts = if rounds == 1 {
        "at once".into()
    } else {
        format!("in {rounds} micro-batches of {}", vae.micro_batch())
    };
    let memory = bytes(vae.plan().bytes());
    let half = if vae.precision() == Element::F16 { ", activations and their gradients in f16" } else { "" };
    let stay = if vae.resident() > 0 { ", the training pictures among them" } else { "" };
    screen.report(
        "batch",
        &format!("{} pictures {parts}; {memory} on the device{stay}{half}", config.batch_size),
    );
    screen.report("run", &format!("{}; losses in nats per image", shown(&run.path)));
    if adapter.is_software() {
        screen.say(
            "the first step compiles the kernels; on a software adapter that takes some ten seconds, once",
        );
    }
    let begin = TrainOptions {
        checkpoint,
        every: asked.checkpoint_every,
        keep: asked.keep.unwrap_or_default(),
        ..config.clone().into()
    };
    let mut trainer = Trainer::new(vae, data.clone(), run.clone(), begin, stop.clone())?;
    let end = trainer.train(screen)?;
    Ok((end, trainer.state().clone()))
}

/// What a training that a failure has ended goes on from, and what to do before.
fn advice(error: &Error, run: &RunFolder) -> String {
    let full = matches!(error, Error::Io { source, .. }
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
    let room = if full { "Free some of the disk, or keep fewer checkpoints with --keep 1. " } else { "" };
    match run.newest_checkpoint() {
        Ok((folder, ..)) => {
            let command = resume_command(&run.path);
            format!("{room}The last checkpoint is {}; go on with: {command}", shown(&folder))
        }
        Err(_) => format!("{room}There is no checkpoint yet."),
    }
}

fn resume_command(folder: &Path) -> String {
    let [name, runs] =
        [folder.file_name().map(Path::new), folder.parent()].map(|p| shown(p.unwrap_or(folder)));
    let runs = if runs == "runs" { String::new() } else { format!(" --runs {runs:?}") };
    let name = if name.contains(' ') { format!("{name:?}") } else { name };
    format!("wgvae train --resume --name {name}{runs}")
}
