//! `wgvae train`: a training from its settings to its last checkpoint.

mod attempts;
pub mod changes;
pub mod data;
mod follow;
mod machine;
mod outlook;
mod peers;
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
use std::time::Duration;

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
use self::peers::{Agreed, Begin, Orders, Peers};
use self::resume::run_around;
use self::session::{Ended, Session};
use self::settings::{Layers, Settings};
use self::start::{Origin, Start, start};
use self::storage::report_storage;
use super::output;
use super::terminal::{Screen, shown};
use crate::cli::{ResumeArgs, TrainArgs, TuningArgs};

pub fn run(args: TrainArgs) -> Result<ExitCode> {
    let session = match Session::new(&args) {
        Ok(session) => session,
        Err(error) => return ended_together(error),
    };
    let result = run_in(&session, args);
    let Some(peers) = &session.peers else { return result };
    match result {
        Ok(code) => {
            peers.finish();
            Ok(code)
        }
        Err(error) if is_agreed(&error) => {
            // rank 0 says it before the connection ends, on which the others wait
            if peers.leads() && !error.is::<Agreed>() {
                output::note(&format!("error: {error:#}"));
            }
            let code = if error.is::<Agreed>() { ended_together(error) } else { Ok(ExitCode::FAILURE) };
            peers.finish();
            code
        }
        Err(error) => {
            output::note(&format!("error: {}: {error:#}", peers.own_name()));
            peers.abort(1);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Whether all processes know of the error, so that they end in order.
fn is_agreed(error: &anyhow::Error) -> bool {
    error.is::<Agreed>() || matches!(error.downcast_ref(), Some(Error::Diverged(_)))
}

/// The end by an error that all processes have: only rank 0 has its text.
fn ended_together(error: anyhow::Error) -> Result<ExitCode> {
    let Agreed { text, code } = error.downcast()?;
    if text.is_empty() {
        // a launcher that sees this end may end rank 0 before its text is through
        std::thread::sleep(Duration::from_secs(1));
    } else {
        output::note(&format!("error: {text}"));
    }
    Ok(ExitCode::from(code))
}

fn run_in(session: &Session, mut args: TrainArgs) -> Result<ExitCode> {
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
        return Ok(train(session, layers, (&args.resume, &args.tuning))?.code());
    }
    if session.peers.is_some() {
        let reason = "--sweep trains one model after the other, and several processes train one: start it without a launcher";
        return session.together(Err(Error::Usage(reason.into()).into()));
    }
    sweep::run(session, &layers, &args)
}

/// One training.
fn train(session: &Session, layers: Layers, (resume, tuning): (&ResumeArgs, &TuningArgs)) -> Result<Ended> {
    if let Some(peers) = &session.peers {
        peers.meet(&layers.given)?;
        if !peers.leads() {
            return follow::train(session, peers, &layers, tuning);
        }
    }
    let started = session.together(start(layers, resume.resume.as_ref(), session))?;
    let Start { run, settings, origin, lock } = started;
    let Settings { config, options } = &settings;
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
        session.tell(&None::<Orders>)?;
        return Ok(Ended::Finished);
    }
    session.tell(&Some(Orders::new(&run, settings.to_text()?)))?;
    session.together(Ok(()))?;
    let adapter = match &session.peers {
        Some(peers) => peers.adapter(options)?,
        None => super::choose_keeping(&options.adapter)?,
    };
    let build = session.together(own_build(&settings, &origin, &adapter, session))?;
    screen.report("adapter", &adapter.describe());
    if let Some(hint) = &adapter.hint {
        screen.say(hint);
    }
    if let Some(advice) = machine::bound_processors(session.peers.as_ref().map_or(1, Peers::on_host)) {
        screen.say(&format!("warning: {advice}"));
    }
    let tuning = session.together(kernel_configs(&adapter, &build, tuning, &run, session))?;
    let read = || pictures(&screen, options, config, session.quiet);
    let data = match &session.peers {
        Some(peers) => {
            screen.report("processes", &peers.describe());
            peers.pictures(read)?
        }
        None => read()?,
    };
    let build = ModelOptions { resident: resident(options, config, &adapter, data.train.len()), ..build };
    let mut training = Training { tuning, build, kernels: 0, data, run, settings, origin };
    session.together(fitting(&screen, &mut training, resume))?;
    if let Some(reason) = &lock.missing {
        let run = shown(&training.run.path);
        output::note(&format!(
            "no lock for {run} ({reason}): make sure that no other process trains this run"
        ));
    }
    if let Some(page) = page {
        let address = format!("{}  (reachable from this machine only)", page.url());
        if session.quiet { output::print(&address) } else { screen.report("page", &address) }
    }
    session.together(look_ahead(&screen, &adapter, &mut training, session))?;
    if session.dry_run {
        session.tell(&None::<Begin>)?;
        return Ok(Ended::Finished);
    }
    session.together(write_beginning(&mut training))?;
    if let Some(peers) = &session.peers {
        let state = training.origin.checkpoint().map(|checkpoint| checkpoint.state.to_json());
        let tuning = (0..peers.size()).map(|rank| kept_tuning(&training.run, rank)).collect();
        peers.tell(&Some(Begin { state, tuning }))?;
    }
    attempts::train(screen, adapter, session, &training)
}

/// Checks that the pictures fit the settings and the checkpoint, and that there is room for the run's files.
fn fitting(screen: &Screen, training: &mut Training, resume: &ResumeArgs) -> Result<()> {
    let Training { data, run, settings, origin, .. } = training;
    let Settings { config, options } = &*settings;
    if let Some(text) = prior::advice(options, config.model.architecture, data.train.len()) {
        screen.say(&text);
    }
    let watches = config.optimizer.patience.is_some() || config.optimizer.lr_schedule == LrSchedule::Plateau;
    if watches && data.validation.is_none() {
        let reason = "--patience and --lr-schedule plateau need a validation loss, and there are no validation pictures";
        return Err(Error::Usage(reason.into()).into());
    }
    if let Origin::Own(folder, checkpoint) = origin {
        changed(screen, &mut checkpoint.state, folder, (config, data, resume))?;
    }
    report_storage(screen, run, settings)
}

/// Writes the settings, and the checkpoint that the run begins with if it is of another one.
fn write_beginning(training: &mut Training) -> Result<()> {
    let Training { data, run, settings, origin, .. } = training;
    // settings that were given with --resume are the run's from now on
    write_settings(&run.path, settings)?;
    match origin {
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
    Ok(())
}

/// The model to build for this process, checked against its adapter.
fn own_build(
    settings: &Settings,
    origin: &Origin,
    adapter: &Adapter,
    session: &Session,
) -> Result<ModelOptions> {
    let build = settings.model_options();
    let ranks = session.peers.as_ref().map_or(1, Peers::size);
    let build = ModelOptions { micro: build.micro.or_else(|| same_micro(origin, adapter, ranks)), ..build };
    let build = match &session.peers {
        Some(peers) => peers.rank_options(&settings.options).share(build, &adapter.capabilities())?,
        None => build,
    };
    let (_, plan) = build.plan(&adapter.capabilities())?;
    plan.check_limits(&adapter.capabilities())?;
    Ok(build)
}

/// File name of the kernel configurations of a rank after the first.
fn tuning_of_rank(rank: usize) -> String {
    format!("tuning-rank-{rank}.json")
}

/// The kernel configurations of a rank after the first that the run has kept.
fn kept_tuning(run: &RunFolder, rank: usize) -> Option<String> {
    std::fs::read_to_string(run.path.join(tuning_of_rank(rank))).ok()
}

/// Reports what the training will take, and what will not go well; counts its kernels.
fn look_ahead(screen: &Screen, adapter: &Adapter, training: &mut Training, session: &Session) -> Result<()> {
    let Training { tuning, build, kernels, data, run, settings, origin } = training;
    let outlook = Outlook {
        settings,
        state: origin.checkpoint().map(|checkpoint| &checkpoint.state),
        pictures: data.train.len(),
        adapter,
        build: *build,
        flow: prior::fits_flow(&settings.options, settings.config.model.architecture),
    };
    let (network, plan) = build.plan_with(&adapter.capabilities(), tuning)?;
    let (micro, memory) = (network.dims.micro, plan.bytes());
    *kernels = plan.pipelines();
    drop((network, plan));
    let Settings { config, options } = &*settings;
    let mut pace = Pace::of_earlier(&options.runs, config, &adapter.describe());
    if pace.is_none() && session.dry_run {
        pace = Some(Pace::of_probe(adapter, tuning, *build, session.quiet)?);
    }
    outlook.report(screen, (micro, memory), pace.as_ref());
    outlook.warnings(micro, pace.as_ref()).iter().for_each(|text| screen.say(&format!("warning: {text}")));
    if session.dry_run {
        screen.report("run", &format!("{}; nothing has been written: --dry-run", shown(&run.path)));
    }
    Ok(())
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

/// The micro-batch that the run had on this adapter and with this number of processes. Another one would round differently.
fn same_micro(origin: &Origin, adapter: &Adapter, ranks: usize) -> Option<u32> {
    let state = &origin.checkpoint()?.state;
    let same = state.adapter == adapter.describe() && state.ranks as usize == ranks;
    (same && state.micro_batch > 0).then_some(state.micro_batch)
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
