//! `wgvae verify`: checks the files of a run's checkpoints, and recomputes its last steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use wgvae::checkpoint::{self, Checkpoint, Listing, State};
use wgvae::config::Table;
use wgvae::error::Error;
use wgvae::model::{Device, ModelOptions, Vae};
use wgvae::ops::Tuning;
use wgvae::train::{self, Receipt};
use wgvae::tune;

use super::output;
use super::terminal::{Bar, Screen, count, shown};
use super::train::changes;
use super::train::data::pictures;
use super::train::settings::{Layers, RunOptions, file};
use crate::cli::VerifyArgs;

pub fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let settings_file = args.run.join(train::SETTINGS);
    if !settings_file.is_file() {
        return Err(Error::model(&args.run, "is not a run: it has no config.toml").into());
    }
    let layers = Layers { given: Table::of(&args.adapter)?, below: file::read(&settings_file)? };
    let options = layers.options()?;
    let checkpoints = match whole(&args.run)? {
        Ok(checkpoints) => checkpoints,
        Err(damaged) => {
            if args.json.json {
                println!("{:#}", json!({ "ok": false, "damaged": damaged }));
            } else {
                damaged.iter().for_each(|error| output::note(error));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
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
    output::say(&format!("from {begin} to {} (step {})", shown(end), to.state.step));
    if from.as_ref().is_some_and(|from| from.state.config != to.state.config) {
        output::say("the settings of the run changed between them: steps before the change may differ");
    }
    let verdict = match to.state.ranks {
        1 => compare(&options, &args.run, from.as_ref(), &to)?,
        ranks => {
            output::say(&format!(
                "{ranks} processes have trained it; one would round differently, so no step is recomputed"
            ));
            Receipt { steps: 0, compared: 0, different: Vec::new() }
        }
    };
    let ok = verdict.different.is_empty();
    if args.json.json {
        let document = json!({
            "ok": ok, "damaged": [], "checkpoints": checkpoints.len(), "from": begin, "to": shown(end),
            "step": to.state.step, "recomputed_steps": verdict.steps, "compared": verdict.compared,
            "different": verdict.different.into_iter().collect::<BTreeMap<_, _>>(),
        });
        println!("{document:#}");
    } else {
        print(&verdict);
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whole checkpoints, or the errors of damaged ones.
type Whole = Result<Vec<(PathBuf, State)>, Vec<String>>;

/// The run's checkpoints, oldest first, if all their files are undamaged; else the errors of the damaged ones.
fn whole(run: &Path) -> Result<Whole> {
    let Listing { whole: checkpoints, broken } = checkpoint::list(&run.join("checkpoints"))?;
    let mut errors: Vec<String> = broken.iter().map(ToString::to_string).collect();
    let bar = Bar::new("reading checkpoints", false);
    for (done, (path, _)) in checkpoints.iter().enumerate() {
        errors.extend(checkpoint::load(path).err().map(|error| error.to_string()));
        bar.set(done + 1, checkpoints.len());
    }
    drop(bar);
    if errors.is_empty() {
        output::say(&format!("{} checkpoints, all files are undamaged", checkpoints.len()));
        return Ok(Ok(checkpoints));
    }
    Ok(Err(errors))
}

/// The newest checkpoint that is at least `steps` before step `last`; without a number, the one before the last.
fn earlier(all: &[(PathBuf, State)], last: u64, steps: Option<u64>) -> Option<&(PathBuf, State)> {
    let far = steps.unwrap_or(1).max(1);
    all.iter().rev().find(|(_, state)| state.step + far <= last)
}

fn compare(options: &RunOptions, run: &Path, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<Receipt> {
    let state = &to.state;
    let adapter = super::choose(&options.adapter)?;
    if adapter.describe() != state.adapter {
        output::say(&format!(
            "the run was trained on {}; another adapter may round differently",
            state.adapter
        ));
    }
    if state.shaders != tune::file::shaders() {
        output::say(&format!(
            "the run was computed with other shaders (version {}, commit {})",
            state.version, state.commit
        ));
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
    Ok(verdict?)
}

fn print(verdict: &Receipt) {
    let numbers = count(verdict.compared);
    if verdict.steps == 0 {
        return;
    }
    if verdict.different.is_empty() {
        output::print(&format!(
            "recomputed {} step(s): all {numbers} numbers have the same bits",
            verdict.steps
        ));
        return;
    }
    output::print(&format!("recomputed {} step(s): of {numbers} numbers some DIFFER:", verdict.steps));
    for (name, differs) in &verdict.different {
        output::print(&format!("  {name}: {}", count(*differs)));
    }
}
