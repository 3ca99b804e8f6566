//! `wgvae train`: a training from its settings to its last checkpoint.

mod attempts;
pub mod changes;
pub mod data;
mod outlook;
mod prior;
mod resume;
mod session;
pub mod settings;
mod start;
mod storage;
mod sweep;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, State};
use wgvae::config::LrSchedule;
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::model::ModelOptions;
use wgvae::ops::Tuning;
use wgvae::train::{self, RunFolder};
use wgvae::tune;

use self::attempts::Training;
pub use self::attempts::resume_command;
use self::changes::changed;
use self::data::{pictures, resident};
use self::outlook::{Outlook, Pace};
use self::resume::run_around;
use self::session::{Ended, Session};
use self::settings::{Layers, Settings};
use self::start::{Origin, Start, start};
use self::storage::report_storage;
use super::output;
use super::terminal::{Screen, shown};
use crate::cli::{ResumeArgs, TrainArgs, TuningArgs};

pub fn run(mut args: TrainArgs) -> Result<ExitCode> {
    let session = Session::new(&args);
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
    if args.sweep.is_empty() {
        return Ok(train(&session, layers, (&args.resume, &args.tuning))?.code());
    }
    sweep::run(&session, &layers, &args)
}

/// One training.
fn train(session: &Session, layers: Layers, (resume, tuning): (&ResumeArgs, &TuningArgs)) -> Result<Ended> {
    let Start { run, settings, mut origin, lock } = start(layers, resume.resume.as_ref(), session)?;
    let Settings { config, options } = &settings;
    let adapter = super::choose_keeping(&options.adapter)?;
    let screen = Screen::new(session.quiet, config.epochs);
    let page = session.page(&run)?;
    if let Some(Checkpoint { state, .. }) = origin.checkpoint()
        && let Some(over) = finished_reason(state, &settings)
        && run.has_sample_grids(state)
    {
        if !session.dry_run {
            run.repair_best(state)?;
        }
        screen.say(&format!("{} {over}", run.name));
        return Ok(Ended::Finished);
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
    let tuning = kernel_configs(&adapter, &build, tuning, &run, session)?;
    let data = pictures(&screen, options, config, session.quiet)?;
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
        changed(&screen, &mut checkpoint.state, folder, (config, &data, resume))?;
    }
    report_storage(&screen, &run, &settings)?;
    if let Some(page) = page {
        let address = format!("{}  (reachable from this machine only)", page.url());
        if session.quiet { output::print(&address) } else { screen.report("page", &address) }
    }
    let build = ModelOptions { resident: resident(options, config, &adapter, data.train.len()), ..build };
    let outlook = Outlook {
        settings: &settings,
        state: origin.checkpoint().map(|checkpoint| &checkpoint.state),
        pictures: data.train.len(),
        adapter: &adapter,
        build,
        flow: prior::fits_flow(options, config.model.architecture),
    };
    let kernels = look_ahead(&screen, &outlook, (&run, &tuning), session)?;
    if session.dry_run {
        return Ok(Ended::Finished);
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
    attempts::train(
        screen,
        adapter,
        session,
        &Training { tuning, build, kernels, data, run, settings, origin },
    )
}

/// Reports what the training will take, and what will not go well. Returns the number of its kernels.
fn look_ahead(
    screen: &Screen,
    outlook: &Outlook<'_>,
    (run, tuning): (&RunFolder, &Tuning),
    session: &Session,
) -> Result<usize> {
    let (adapter, build) = (outlook.adapter, outlook.build);
    let (network, plan) = build.plan_with(&adapter.capabilities(), tuning)?;
    let (micro, memory, kernels) = (network.dims.micro, plan.bytes(), plan.pipelines());
    drop((network, plan));
    let Settings { config, options } = outlook.settings;
    let mut pace = Pace::of_earlier(&options.runs, config, &adapter.describe());
    if pace.is_none() && session.dry_run {
        pace = Some(Pace::of_probe(adapter, tuning, build, session.quiet)?);
    }
    outlook.report(screen, (micro, memory), pace.as_ref());
    outlook.warnings(micro, pace.as_ref()).iter().for_each(|text| screen.say(&format!("warning: {text}")));
    if session.dry_run {
        screen.report("run", &format!("{}; nothing has been written: --dry-run", shown(&run.path)));
    }
    Ok(kernels)
}

/// Why a run has ended, and how to continue it, if it has.
pub fn finished_reason(state: &State, Settings { config, options }: &Settings) -> Option<String> {
    let state = State { config: config.clone(), ..state.clone() };
    if state.epoch > config.epochs {
        return Some(format!("has finished its {} epochs; give more with --epochs", config.epochs));
    }
    if state.out_of_patience() {
        let bad = state.bad_epochs;
        return Some(format!(
            "has ended: {bad} epochs without a lower validation loss; give more --patience to continue"
        ));
    }
    let most = options.max_steps.filter(|most| state.step >= *most)?;
    Some(format!("has {} of at most {most} steps; give more with --max-steps", state.step))
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
    session: &Session,
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
    if session.dry_run {
        return super::tune::kept(adapter, flags);
    }
    super::tune::choose(adapter, build, flags, session.quiet)
}

/// Writes all settings to the run's file, so that the training can be repeated.
fn write_settings(run: &Path, settings: &Settings) -> Result<()> {
    let head = format!("# wgvae {}: every setting of this run\n", env!("CARGO_PKG_VERSION"));
    let text = head + &settings.to_text()?;
    Ok(wgvae::data::write_whole(&run.join(train::SETTINGS), |file| file.write_all(text.as_bytes()))?)
}
