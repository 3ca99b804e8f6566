//! The pictures of the run of a model: those that were held out (its test split, else its validation split), and those
//! that it was trained on.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use wgvae::checkpoint::{self, STATE, State};
use wgvae::config::TrainConfig;
use wgvae::data::{self, Divided, FolderIndex, Item, Location};
use wgvae::error::Error;
use wgvae::generate::{self, Input};
use wgvae::train::SETTINGS;

use super::terminal::{Bar, shown};
use super::train::data::{cache, held_landscapes, memory, scan_options};
use super::train::settings::{Layers, RunOptions, file};

/// Held-out pictures, and their description.
pub(super) struct HeldOut {
    pub inputs: Vec<Input>,
    pub about: String,
    /// training pictures of the run, if they were found on the way
    pub training: Option<Vec<Input>>,
}

/// The held-out pictures of the run of `model`. `None` if it is not in a run, or its run was trained on built-in landscapes.
///
/// # Errors
/// If the run's folder of pictures is missing, or has no held-out pictures.
pub(super) fn of_run(model: &Path) -> Result<Option<HeldOut>> {
    let Some((options, state)) = run_of(model)? else { return Ok(None) };
    let Some(folder) = &options.data else { return Ok(None) };
    let State { config, data: digest, .. } = State::read(&state)?;
    let instead = "give DATA, or --landscapes";
    if !folder.is_dir() {
        return Err(
            Error::data(folder, format!("the pictures of the model's run are not here; {instead}")).into()
        );
    }
    let Divided { dataset, train, .. } = divide(folder, &options, &config)?;
    let training = training(&dataset);
    let (items, split) = match (dataset.test, dataset.validation) {
        (test, _) if !test.is_empty() => (test, "test"),
        (_, validation) => (validation, "validation"),
    };
    if items.is_empty() {
        let reason = format!("has no test or validation pictures for the model's run; {instead}");
        return Err(Error::data(folder, reason).into());
    }
    let paths: Vec<PathBuf> = items.into_iter().map(|item| item.path).collect();
    let inputs = inputs(folder, &paths)?;
    let changed = if train.digest() == digest {
        ""
    } else {
        "; its training pictures have changed since, and some of these may have been among them"
    };
    let about =
        format!("{} {split} pictures of {}, as split by the run{changed}", inputs.len(), shown(folder));
    Ok(Some(HeldOut { inputs, about, training: Some(training) }))
}

/// The training pictures of the run of `model`. `None` if it is not in a run, or they are not at hand.
///
/// # Errors
/// If files of the run or its folder of pictures cannot be read.
pub(super) fn training_of_run(model: &Path) -> Result<Option<Vec<Input>>> {
    let Some((options, state)) = run_of(model)? else { return Ok(None) };
    let State { config, .. } = State::read(&state)?;
    let Some(folder) = &options.data else {
        let count = options.landscapes - held_landscapes(options.landscapes);
        return Ok(Some(generate::landscapes(config.seed, count as u32)));
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let Divided { dataset, .. } = divide(folder, &options, &config)?;
    Ok(Some(training(&dataset)))
}

/// The number of `inputs` that are among `others`.
pub(super) fn common(inputs: &[Input], others: &[Input]) -> usize {
    let file = |input: &Input| match &input.location {
        Location::File(path) => path.canonicalize().ok(),
        Location::Synthetic { .. } => None,
    };
    let known: HashSet<PathBuf> = others.iter().filter_map(file).collect();
    inputs.iter().filter_map(file).filter(|path| known.contains(path)).count()
}

/// Options of the run of `model`, and the file of its state. `None` if it is not in a run.
fn run_of(model: &Path) -> Result<Option<(RunOptions, PathBuf)>> {
    let model = checkpoint::find(model)?;
    let Some(settings) = settings_file(&model) else { return Ok(None) };
    let options = Layers { below: file::read(&settings)?, ..Layers::default() }.options()?;
    Ok(Some((options, model.with_file_name(STATE))))
}

/// The pictures of a run's folder, divided as in its training.
fn divide(folder: &Path, options: &RunOptions, config: &TrainConfig) -> Result<Divided> {
    // a random split depends on the decoded pictures, so that near-duplicates are on one side
    let (index, cache) = (data::scan_with(folder, &scan_options(options, config))?, cache(options.no_cache));
    let bar = Bar::new("splitting", false);
    let progress = |done, all| bar.set(done, all);
    let how = (config.model.size, config.reading());
    let divided = data::prepare_folder(index, how, memory(options), cache.as_ref(), &progress);
    bar.clear();
    Ok(divided?)
}

/// The training pictures of a folder.
fn training(found: &FolderIndex) -> Vec<Input> {
    let input = |item: &Item| Input {
        name: item.path.display().to_string(),
        location: Location::File(item.path.clone()),
        class: found.classes.get(item.label as usize).cloned().unwrap_or_default(),
        factors: None,
    };
    found.train.iter().map(input).collect()
}

/// The settings of the run of a model's file, RUN/checkpoints/NAME/model.safetensors.
fn settings_file(model: &Path) -> Option<PathBuf> {
    let whole = model.canonicalize().ok()?;
    let run = whole.ancestors().nth(3).filter(|run| data::is_run(run))?;
    Some(run.join(SETTINGS))
}

/// `paths` as inputs, with their names, classes and factors in `folder`.
fn inputs(folder: &Path, paths: &[PathBuf]) -> Result<Vec<Input>> {
    let wanted: HashSet<&PathBuf> = paths.iter().collect();
    let (mut found, _) = generate::gather(&[folder.to_path_buf()])?;
    found.retain(|input| wanted.contains(&input.location.path()));
    // the run's --include may name pictures that are left out by default
    let known: HashSet<PathBuf> = found.iter().map(|input| input.location.path()).collect();
    let others: Vec<PathBuf> = paths.iter().filter(|path| !known.contains(*path)).cloned().collect();
    found.extend(generate::gather(&others)?.0);
    Ok(found)
}
