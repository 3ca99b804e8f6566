//! `wgvae verify`: checks the files of a run's checkpoints, and recomputes its last steps.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::checkpoint::{self, Checkpoint, Listing, State};
use wgvae::config::Table;
use wgvae::error::Error;
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train;
use wgvae::tune;

use super::terminal::{Bar, Screen, count, shown};
use super::train::changes;
use super::train::data::pictures;
use super::train::settings::{Layers, RunOptions, file};
use crate::cli::VerifyArgs;

pub fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let settings_file = args.run.join(train::SETTINGS);
    if !settings_file.is_file() {
        return Err(Error::Usage(format!("{} is not a run: it has no config.toml", shown(&args.run))).into());
    }
    let layers = Layers { given: Table::of(&args.adapter)?, below: file::read(&settings_file)? };
    let options = layers.options()?;
    let Some(checkpoints) = whole(&args.run)? else { return Ok(ExitCode::FAILURE) };
    let Some((end, to)) = checkpoints.last() else {
        return Err(Error::model(&args.run, "has no checkpoint to verify").into());
    };
    let (begin, from) = match earlier(&checkpoints, to.step, args.steps) {
        Some((path, _)) => (shown(path), Some(checkpoint::load(path)?)),
        None => ("the start".to_owned(), None),
    };
    let to = checkpoint::load(end)?;
    if from.is_none() && options.init.is_some() {
        let reason = "started from --init and has only one checkpoint: there are no steps to recompute";
        return Err(Error::model(&args.run, reason).into());
    }
    println!("from {begin} to {} (step {})", shown(end), to.state.step);
    if from.as_ref().is_some_and(|from| from.state.config != to.state.config) {
        println!("the settings of the run changed between them: steps before the change may differ");
    }
    compare(&options, &args.run, from.as_ref(), &to)
}

/// The run's checkpoints, oldest first, if all their files are undamaged; else prints the damaged ones.
fn whole(run: &Path) -> Result<Option<Vec<(PathBuf, State)>>> {
    let Listing { whole: checkpoints, broken } = checkpoint::list(&run.join("checkpoints"))?;
    let mut errors: Vec<String> = broken.iter().map(ToString::to_string).collect();
    for (path, _) in &checkpoints {
        errors.extend(checkpoint::load(path).err().map(|error| error.to_string()));
    }
    if errors.is_empty() {
        println!("{} checkpoints, all files are undamaged", checkpoints.len());
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

fn compare(options: &RunOptions, run: &Path, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<ExitCode> {
    let state = &to.state;
    let adapter = super::choose(&options.adapter)?;
    if adapter.describe() != state.adapter {
        println!("the run was trained on {}; another adapter may round differently", state.adapter);
    }
    if state.shaders != tune::file::shaders() {
        println!(
            "the run was computed with other shaders (version {}, commit {})",
            state.version, state.commit
        );
    }
    let table = run.join(tune::file::NAME);
    let tuning = if table.is_file() {
        super::tune::replay(&adapter, &table)?
    } else {
        Tuning::of(&adapter.capabilities())
    };
    let config = &state.config;
    let screen = Screen::new(false, config.epochs);
    screen.report("adapter", &adapter.describe());
    let data = pictures(&screen, options, config, false)?;
    changes::same_pictures(&data, state, run)?;
    let build = ModelOptions { micro: Some(state.micro_batch), ..ModelOptions::of(config) };
    let mut vae = Vae::new(Device::Tuned(&adapter, &tuning), build, config.seed)?;
    let bar = Bar::new("recomputing", false);
    let progress = &mut |done: u64, all: u64| bar.set(done as usize, all as usize);
    let verdict = train::verify(&mut vae, &data, from, to, progress);
    bar.clear();
    let verdict = verdict?;
    let numbers = count(verdict.compared);
    if verdict.different.is_empty() {
        println!("recomputed {} step(s): all {numbers} numbers have the same bits", verdict.steps);
        return Ok(ExitCode::SUCCESS);
    }
    println!("recomputed {} step(s): of {numbers} numbers some DIFFER:", verdict.steps);
    for (name, differs) in &verdict.different {
        println!("  {name}: {}", count(*differs));
    }
    Ok(ExitCode::FAILURE)
}
