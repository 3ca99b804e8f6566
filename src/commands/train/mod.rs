//! `wgvae train`: a training from its settings to its last checkpoint.

mod attempts;
pub mod changes;
pub mod data;
mod prior;
mod resume;
pub mod settings;
mod start;
mod storage;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, State};
use wgvae::config::{LrSchedule, TrainConfig};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::model::ModelOptions;
use wgvae::ops::Tuning;
use wgvae::train::{self, RunFolder};
use wgvae::tune;

use self::attempts::Training;
use self::changes::changed;
use self::data::{pictures, resident};
use self::resume::run_around;
use self::settings::{Layers, Settings};
use self::start::{Origin, Start, start};
use self::storage::report_storage;
use super::output;
use super::terminal::{Screen, shown};
use crate::cli::{TrainArgs, TuningArgs};

pub fn run(mut args: TrainArgs) -> Result<ExitCode> {
    args.settings.data.data = args.data.take();
    let layers = Layers::new(&args.settings, args.config.as_deref())?;
    let data = layers.options()?.data;
    if let Some((data, run)) = data.as_deref().and_then(|data| Some((data, run_around(data)?))) {
        let (data, run) = (shown(data), shown(&run));
        let reason = format!(
            "{data} is a run, or is in one, and not a folder of pictures; continue the run with wgvae train --resume {run}"
        );
        return Err(Error::Usage(reason).into());
    }
    let Start { run, settings, mut origin, lock } = start(layers, args.resume.resume.as_ref(), args.quiet)?;
    let Settings { config, options } = &settings;
    let adapter = super::choose_keeping(&options.adapter)?;
    let screen = Screen::new(args.quiet, config.epochs, adapter.is_software());
    let page = super::watch::of_training(&args.watch, &run)?;
    if let Some(Checkpoint { state, .. }) = origin.checkpoint()
        && let Some(over) = finished_reason(state, config)
        && run.has_sample_grids(state)
    {
        run.repair_best(state)?;
        screen.say(&format!("{} {over}", run.name));
        return Ok(ExitCode::SUCCESS);
    }
    let build = settings.model_options();
    let build = ModelOptions { micro: build.micro.or_else(|| same_micro(&origin, &adapter)), ..build };
    let (_, plan) = build.plan(&adapter.capabilities())?;
    plan.check_limits(&adapter.capabilities())?;
    drop(plan);
    screen.report("adapter", &adapter.describe());
    if let Some(hint) = &adapter.hint {
        screen.say(hint);
    }
    let tuning = kernel_configs(&adapter, &build, &args.tuning, &run, args.quiet)?;
    let data = pictures(&screen, options, config, args.quiet)?;
    if let Some(text) = prior::advice(options, config.model.architecture, data.train.len()) {
        screen.say(&text);
    }
    let watches = config.optimizer.patience.is_some() || config.optimizer.lr_schedule == LrSchedule::Plateau;
    if watches && data.validation.is_none() {
        let reason = "--patience and --lr-schedule plateau need a validation loss, and there are no validation pictures";
        return Err(Error::Usage(reason.into()).into());
    }
    if let Some(reason) = &lock.missing {
        let run = shown(&run.path);
        output::note(&format!(
            "no lock for {run} ({reason}): make sure that no other process trains this run"
        ));
    }
    if let Origin::Own(folder, checkpoint) = &mut origin {
        changed(&screen, &mut checkpoint.state, folder, (config, &data, &args.resume))?;
    }
    report_storage(&screen, &run, &settings)?;
    if let Some(page) = &page {
        screen.report("page", &format!("{}  (reachable from this machine only)", page.url()));
    }
    // settings that were given with --resume are the run's from now on
    write_settings(&run.path, &settings)?;
    match &mut origin {
        // so that --resume finds it before the run has a checkpoint of its own
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
    let build = ModelOptions { resident: resident(options, config, &adapter, data.train.len()), ..build };
    attempts::train(screen, adapter, args.quiet, &Training { tuning, build, data, run, settings, origin })
}

/// Why a run has ended, and how to continue it, if it has.
fn finished_reason(state: &State, config: &TrainConfig) -> Option<String> {
    let state = State { config: config.clone(), ..state.clone() };
    if state.epoch > config.epochs {
        return Some(format!("has finished its {} epochs; give more with --epochs", config.epochs));
    }
    state.out_of_patience().then(|| {
        let bad = state.bad_epochs;
        format!("has ended: {bad} epochs without a lower validation loss; give more --patience to continue")
    })
}

/// The micro-batch that the run had on this adapter. Another one would round differently.
fn same_micro(origin: &Origin, adapter: &Adapter) -> Option<u32> {
    let state = &origin.checkpoint()?.state;
    (state.adapter == adapter.describe() && state.micro_batch > 0).then_some(state.micro_batch)
}

/// The kernel configurations. A resumed run keeps its own, unless flags name others.
fn kernel_configs(
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
                output::note(&format!(
                    "{error}\nthe run continues with kernel configurations for this adapter"
                ));
            }
        }
    }
    super::tune::choose(adapter, build, flags, quiet)
}

/// Writes all settings to the run's file, so that the training can be repeated.
fn write_settings(run: &Path, settings: &Settings) -> Result<()> {
    let head = format!("# wgvae {}: every setting of this run\n", env!("CARGO_PKG_VERSION"));
    let text = head + &settings.to_text()?;
    Ok(wgvae::data::write_whole(&run.join(train::SETTINGS), |file| file.write_all(text.as_bytes()))?)
}
