//! What may change between a checkpoint and the training that goes on from it: settings, pictures, the number of epochs.

use std::path::Path;

use anyhow::Result;
use wgvae::checkpoint::{Checkpoint, State};
use wgvae::config::TrainConfig;
use wgvae::error::Error;
use wgvae::model::Loss;
use wgvae::train::Splits;

use super::settings;
use super::terminal::Screen;
use crate::cli::ResumeArgs;

/// A checkpoint can only be gone on with under the settings that decide what a step is.
pub(super) fn fits(config: &TrainConfig, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    let was = &checkpoint.state.config;
    let same = was.model == config.model && was.batch_size == config.batch_size && was.seed == config.seed;
    let same = same && was.resize == config.resize && was.precision == config.precision;
    if same && was.objective.likelihood == config.objective.likelihood {
        return Ok(());
    }
    let text = |c: &TrainConfig| {
        let m = c.model;
        let (size, hidden, latent, batch) = (m.size, m.hidden, m.latent, c.batch_size);
        format!(
            "--size {size} --hidden {hidden} --latent {latent} --batch-size {batch} --seed {} --resize {} \
             --precision {} --loss {} --sigma {}",
            c.seed,
            c.resize,
            c.precision.name(),
            c.objective.likelihood.kind.name(),
            c.objective.likelihood.sigma
        )
    };
    let reason = format!("was made with {}\nand cannot go on with {}", text(was), text(config));
    Err(Error::model(folder, reason).into())
}

/// Takes what has changed since the checkpoint into its state, and says it: settings, pictures, the number of epochs.
///
/// # Errors
/// If the training pictures are others and `--new-data` is not given, or the steps that are left would change nothing.
pub(super) fn changed(
    screen: &Screen,
    state: &mut State,
    folder: &Path,
    (config, data, flags): (&TrainConfig, &Splits, &ResumeArgs),
) -> Result<()> {
    new_pictures(screen, state, folder, data, flags.new_data)?;
    for change in settings::changes(&state.config, config) {
        screen.say(&format!("changed: {change}"));
    }
    new_epochs(screen, state, config, data, flags.reschedule)
}

/// The same training pictures, or with `--new-data` others: the epoch in which the run stands begins again with them.
fn new_pictures(
    screen: &Screen,
    state: &mut State,
    folder: &Path,
    data: &Splits,
    allowed: bool,
) -> Result<()> {
    let same = state.data == data.train.digest();
    if !same && !allowed {
        return same_pictures(data, state, folder);
    }
    let held_out = data.validation.as_ref().map(|pictures| pictures.digest());
    // format 3 does not say: if the training pictures are the same, the others are taken to be
    let compares = if state.held_out.is_some() || !same { state.held_out == held_out } else { true };
    if !same {
        screen
            .say("the training pictures are not those that the run began with; it goes on with the new ones");
        if state.step_in_epoch > 0 {
            screen.say(&format!("epoch {} begins again with them", state.epoch));
        }
        *state = State { step_in_epoch: 0, epoch_loss: Loss::default(), epoch_images: 0, ..state.clone() };
    }
    if !compares {
        if state.best.is_some() {
            screen.say(
                "the held-out pictures are others, on which losses cannot be compared: best begins again",
            );
        }
        *state = State { best: None, bad_epochs: 0, ..state.clone() };
    }
    Ok(())
}

/// An error if the training pictures are not those of `state`.
pub(super) fn same_pictures(data: &Splits, state: &State, folder: &Path) -> Result<()> {
    if state.data == data.train.digest() {
        return Ok(());
    }
    let reason = "was written with other training pictures than are there now; put those back, go on with the new ones by \
                  --new-data, or start a new run";
    Err(Error::model(folder, reason).into())
}

/// Another number of epochs: schedules go on from where they are, or with `--reschedule` jump, which is said.
fn new_epochs(
    screen: &Screen,
    state: &mut State,
    config: &TrainConfig,
    data: &Splits,
    anew: bool,
) -> Result<()> {
    let steps = data.train.len().div_ceil(config.batch_size as usize) as u64;
    let before = state.rates(steps);
    let mut jump = state.clone();
    jump.replan(config.epochs, steps, true);
    let jump = jump.rates(steps);
    let changes = state.config.epochs != config.epochs;
    state.replan(config.epochs, steps, anew);
    let text = |(lr, beta): (f64, f64)| {
        let lr = if lr == 0.0 { "0".to_owned() } else { format!("{lr:.3e}") };
        format!("learning rate {lr}, beta {beta:.4}")
    };
    let planned = State { config: config.clone(), ..state.clone() };
    if planned.rates(steps).0 == 0.0 && state.epoch <= config.epochs {
        return Err(Error::Usage(format!(
            "--epochs {}: the learning rate has come to its end at 0, and further steps would change nothing. Give \
             --reschedule, which computes its course anew over all epochs ({}), or --lr-schedule constant with an --lr",
            config.epochs,
            text(jump)
        ))
        .into());
    }
    let jumps = text(before) != text(jump);
    if anew && jumps {
        screen.say(&format!("--reschedule: {} becomes {}", text(before), text(jump)));
    }
    if !anew && changes && jumps {
        screen.say(&format!(
            "schedules go on from where they are ({}) to the new last epoch; --reschedule would compute them anew over all \
             {} epochs ({})",
            text(before),
            config.epochs,
            text(jump)
        ));
    }
    Ok(())
}
