//! The run of a training on its device, again on a new one if the device is lost, and its end.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;
use wgvae::checkpoint::{self, State};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train::{
    self, Attempt, Limit, Limits, RunFolder, Splits, StopFile, TrainOptions, TrainOutcome, Trainer,
};
use wgvae::tune;
use wgvae::tune::file::TuningFile;

use super::peers::Peers;
use super::prior;
use super::session::{Ended, Session};
use super::settings::{RunOptions, Settings};
use super::start::Origin;
use crate::commands::terminal::{Bar, COMPILING, Screen, argument, shown};
use crate::commands::{self, output};

/// A training that is ready to run on a device.
pub(super) struct Training {
    pub(super) tuning: Tuning,
    pub(super) build: ModelOptions,
    /// number of kernels of the plan
    pub(super) kernels: usize,
    pub(super) data: Splits,
    pub(super) run: RunFolder,
    pub(super) settings: Settings,
    pub(super) origin: Origin,
}

/// Trains to the end, and reports it. A training that loses its device is tried again.
pub(super) fn train(
    mut screen: Screen,
    adapter: Adapter,
    session: &Session,
    training: &Training,
) -> Result<Ended> {
    let Training { tuning, build, run, settings: Settings { options, .. }, .. } = training;
    if session.peers.is_some() {
        // a launcher may leave too little time for a checkpoint
        let run = run.clone();
        session.requested.of_several(move || {
            output::note(&format!("\nstopping after the step, if there is time for it. {}", go_on(&run)));
        });
    }
    session.requested.catch()?;
    let told = || {
        output::note(
            "\nasked to stop by the page, or by a file in the run's folder: finishing the step and writing a checkpoint",
        );
    };
    let _requests = StopFile::follow(&run.path, &session.requested.stop, told);
    let micro = build.resolve_micro_batch(&adapter.capabilities())?;
    let mut adapter = Some(adapter);
    // reads the states only: the tensors of a checkpoint may be gigabytes
    let newest = || checkpoint::list(&run.checkpoints()).ok()?.whole.pop();
    let progress = || newest().map_or(0, |(_, state)| state.step);
    // a lost device ends all processes: the others wait for its gradients
    let attempts = if session.peers.is_some() { 1 } else { train::FAILURES };
    let end = train::retry((micro, attempts), progress, |attempt| {
        let adapter = match adapter.take() {
            Some(adapter) => adapter,
            None => {
                let Attempt { micro, failure } = &attempt;
                screen.clear();
                let failure = failure.as_deref().unwrap_or_default();
                output::note(&format!(
                    "{failure}\ntrying again on a new device, with micro-batches of {micro}"
                ));
                commands::choose_keeping(&options.adapter)
                    .map_err(|error| Error::Device(format!("{error:#}")))?
            }
        };
        let tuning = if attempt.failure.is_none() { tuning } else { &Tuning::of(&adapter.capabilities()) };
        run_attempt(&mut screen, (&adapter, tuning), training, &attempt, session)
    });
    screen.clear();
    let (end, state) = match end {
        Ok(end) => end,
        Err(error @ (Error::Device(_) | Error::Io { .. })) => {
            output::note(&format!("error: {error}\n{}", advice(&error, run)));
            // the others wait for this process, and would do so for ever if it ended in order
            session.peers.iter().for_each(|peers| peers.abort(error.exit_code()));
            return Ok(Ended::Failed(error.exit_code()));
        }
        Err(error) => return Err(error.into()),
    };
    let folder = &run.path;
    match end {
        TrainOutcome::Finished | TrainOutcome::Early(_) => {
            if let TrainOutcome::Early(epochs) = end {
                screen.say(&format!(
                    "stopped early: the validation loss has not fallen for {epochs} epochs (--patience)"
                ));
            }
            if let Some(best) = &state.best {
                screen.say(&format!("best: {} with validation loss {:.1}", best.name, best.loss));
            }
            for picture in &screen.pictures {
                screen.say(&format!("wrote {}", shown(picture)));
            }
            // the others have nothing to do from here on
            session.peers.iter().for_each(Peers::finish);
            let seen = training.data.train.len() as u64 * u64::from(state.epoch.saturating_sub(1));
            match prior::fit(&screen, (training, seen), (&session.requested.stop, session.quiet)) {
                Ok(grid) => grid.iter().for_each(|grid| screen.say(&format!("wrote {}", shown(grid)))),
                // the model is trained, and nothing of it is lost
                Err(error) => output::note(&format!(
                    "the prior could not be fitted: {error:#}\nfit it with: wgvae fit-prior {} DATA --flow",
                    shown(folder)
                )),
            }
            screen.say(&format!("more pictures: wgvae sample {}", shown(folder)));
            Ok(Ended::Finished)
        }
        TrainOutcome::Stopped(checkpoint) => {
            screen.say(&format!("stopped; wrote {}", shown(&checkpoint)));
            screen.say(&format!("continue with: {}", resume_command(folder)));
            Ok(Ended::Stopped)
        }
        TrainOutcome::Limited(limit, checkpoint) => {
            let (flag, more) = match limit {
                Limit::Steps => {
                    ("--max-steps", format!(" --max-steps {}", options.max_steps.unwrap_or_default() * 2))
                }
                Limit::Time => ("--max-time", String::new()),
            };
            screen.say(&format!("ended by {flag}; wrote {}", shown(&checkpoint)));
            screen.say(&format!("continue with: {}{more}", resume_command(folder)));
            Ok(Ended::Limited(limit))
        }
    }
}

/// One attempt at the training: from its origin, or after a failure from the run's newest checkpoint.
fn run_attempt(
    screen: &mut Screen,
    (adapter, tuning): (&Adapter, &Tuning),
    training: &Training,
    attempt: &Attempt,
    session: &Session,
) -> Result<(TrainOutcome, State), Error> {
    let Training { data, run, settings: Settings { config, options }, origin, .. } = training;
    let place = Device::Tuned(adapter, tuning);
    let build = ModelOptions { micro: Some(attempt.micro), ..training.build };
    let newest = || run.newest_checkpoint().ok().map(|(_, checkpoint)| checkpoint);
    let again = if attempt.failure.is_some() { newest() } else { None };
    let checkpoint = again.or_else(|| origin.checkpoint().cloned());
    // drivers of GPUs compile all kernels here, software adapters each one when it first runs
    let kernels = adapter.compiled.clone();
    let preparing = Bar::counting(
        if adapter.is_software() { "preparing kernels" } else { COMPILING },
        &kernels,
        training.kernels,
        session.quiet,
    );
    let made = match (&checkpoint, origin) {
        (None, Origin::Seed) => Vae::new(place, build, config.seed),
        (None, Origin::Parameters(weights)) => Vae::empty(place, build).and_then(|mut vae| {
            vae.load(weights)?;
            Ok(vae)
        }),
        _ => Vae::empty(place, build),
    };
    drop(preparing);
    let vae = made?;
    if let Some(peers) = &session.peers {
        let tunings = peers.collect("")?;
        for (rank, text) in tunings.iter().enumerate().skip(1) {
            let path = run.path.join(super::tuning_of_rank(rank));
            wgvae::data::write_whole(&path, |file| file.write_all(text.as_bytes()))?;
        }
    }
    // the run's own configurations, so that --resume and --tuning reproduce its bits
    TuningFile::new(adapter, tuning.used()).write(&run.path.join(tune::file::NAME))?;
    screen.report("run", &format!("{}; losses in nats per image", shown(&run.path)));
    if adapter.is_software() {
        let count = vae.step_kernels();
        screen.say(&format!("the first step compiles {count} kernels"));
        screen.compiles(kernels, count);
    }
    let begin = TrainOptions {
        checkpoint,
        every: options.checkpoint_every,
        keep: options.keep,
        limits: limits(options, session),
        save: session.requested.save.clone(),
        ranks: session.peers.as_ref().map(|peers| peers.rank_options(options)),
        ..config.clone().into()
    };
    let mut trainer = Trainer::new(vae, data.clone(), run.clone(), begin, session.requested.stop.clone())?;
    let end = trainer.train(screen)?;
    Ok((end, trainer.state().clone()))
}

/// The run's limits beside its epochs.
pub(super) fn limits(options: &RunOptions, session: &Session) -> Limits {
    Limits { steps: options.max_steps, until: options.max_time.and_then(|limit| session.until(limit.0)) }
}

/// Advice to continue a training that has failed.
fn advice(error: &Error, run: &RunFolder) -> String {
    let full = matches!(error, Error::Io { source, .. }
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
    let room = if full { "Free some disk space, or keep fewer checkpoints with --keep 1. " } else { "" };
    format!("{room}{}", go_on(run))
}

/// The last checkpoint, and the command that continues from it.
fn go_on(run: &RunFolder) -> String {
    match run.newest_checkpoint() {
        Ok((folder, ..)) => {
            let command = resume_command(&run.path);
            format!("The last checkpoint is {}; continue with: {command}", shown(&folder))
        }
        Err(_) => "There is no checkpoint yet.".into(),
    }
}

pub fn resume_command(folder: &Path) -> String {
    let name = argument(folder.file_name().map_or(folder, Path::new));
    let runs = shown(folder.parent().unwrap_or(folder));
    let runs = if runs == "runs" { String::new() } else { format!(" --runs {runs:?}") };
    format!("wgvae train --resume --name {name}{runs}")
}
