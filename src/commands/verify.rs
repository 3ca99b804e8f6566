//! `wgvae verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, Listing, State};
use wgvae::error::Error;
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train;
use wgvae::tune;

use super::terminal::{Bar, Screen, count, shown};
use super::train_data::pictures;
use super::{settings, train_changes};
use crate::cli::{AdapterArgs, TrainSettings, VerifyArgs};

pub fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let settings_file = args.run.join(train::SETTINGS);
    if !settings_file.is_file() {
        return Err(Error::Usage(format!("{} is not a run: it has no config.toml", shown(&args.run))).into());
    }
    let asked = settings::merge(Some(&settings_file), TrainSettings::default())?;
    let asked = TrainSettings {
        adapter: args.adapter.adapter.clone().or(asked.adapter),
        backend: args.adapter.backend.clone().or(asked.backend),
        ..asked
    };
    let Some(checkpoints) = whole(&args.run)? else { return Ok(ExitCode::FAILURE) };
    let Some((end, to)) = checkpoints.last() else {
        return Err(Error::model(&args.run, "has no checkpoint to verify").into());
    };
    let (begin, from) = match earlier(&checkpoints, to.step, args.steps) {
        Some((path, _)) => (shown(path), Some(checkpoint::load(path)?)),
        None => ("the start".to_owned(), None),
    };
    let to = checkpoint::load(end)?;
    if from.is_none() && asked.init.is_some() {
        let reason =
            "began from --init and has only one checkpoint: there is nothing to compute it again from";
        return Err(Error::model(&args.run, reason).into());
    }
    println!("from {begin} to {} (step {})", shown(end), to.state.step);
    if from.as_ref().is_some_and(|from| from.state.config != to.state.config) {
        println!("the run went on under other settings on the way: steps before that may differ");
    }
    compare(&asked, &args.run, from.as_ref(), &to)
}

/// The run's checkpoints, oldest first, if every file of all of them is what it was; else says which is not.
fn whole(run: &Path) -> Result<Option<Vec<(PathBuf, State)>>> {
    let Listing { whole: checkpoints, broken } = checkpoint::list(&run.join("checkpoints"))?;
    let mut errors: Vec<String> = broken.iter().map(ToString::to_string).collect();
    for (path, _) in &checkpoints {
        errors.extend(checkpoint::load(path).err().map(|error| error.to_string()));
    }
    if errors.is_empty() {
        println!("{} checkpoints, every file as it was written", checkpoints.len());
        return Ok(Some(checkpoints));
    }
    errors.iter().for_each(|error| eprintln!("{error}"));
    Ok(None)
}

/// The newest checkpoint that is at least `steps` before step `last`; without a number, the one before the last.
fn earlier(all: &[(PathBuf, State)], last: u64, steps: Option<u64>) -> Option<&(PathBuf, State)> {
    let far = steps.unwrap_or(1).max(1);
    all.iter().rev().find(|(_, state)| state.step + far <= last)
}

fn compare(
    asked: &TrainSettings,
    run: &Path,
    from: Option<&Checkpoint>,
    to: &Checkpoint,
) -> Result<ExitCode> {
    let state = &to.state;
    let flags = AdapterArgs { adapter: asked.adapter.clone(), backend: asked.backend.clone() };
    let adapter = super::choose(&flags)?;
    if adapter.describe() != state.adapter {
        println!("the run was trained on {}; another adapter may round differently", state.adapter);
    }
    if state.shaders != tune::file::shaders() {
        println!(
            "the run was computed with other shaders (by version {}, commit {})",
            state.version, state.commit
        );
    }
    let table = run.join(tune::file::NAME);
    let tuning =
        if table.is_file() { super::tune::replay(&adapter, &table)? } else { Tuning::of(&adapter.target()) };
    let config = &state.config;
    let screen = Screen::new(false, config.epochs, adapter.is_software());
    screen.report("adapter", &adapter.describe());
    let data = pictures(&screen, asked, config, false)?;
    train_changes::same_pictures(&data, state, run)?;
    let build = ModelOptions { micro: Some(state.micro_batch), ..ModelOptions::of(config) };
    let mut vae = Vae::new(Device::Tuned(&adapter, &tuning), build, config.seed)?;
    let bar = Bar::new("computing again", false);
    let progress = &mut |done: u64, all: u64| bar.set(done as usize, all as usize);
    let verdict = train::verify(&mut vae, &data, from, to, progress);
    bar.clear();
    let verdict = verdict?;
    let numbers = count(verdict.compared);
    if verdict.different.is_empty() {
        println!("computed {} step(s) again: all {numbers} numbers have the same bits", verdict.steps);
        return Ok(ExitCode::SUCCESS);
    }
    println!("computed {} step(s) again, and of {numbers} numbers some DIFFER:", verdict.steps);
    for (name, differs) in &verdict.different {
        println!("  {name}: {}", count(*differs));
    }
    Ok(ExitCode::FAILURE)
}
