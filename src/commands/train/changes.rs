//! Changes between a checkpoint and the training that continues from it: settings, pictures, number of epochs.

use std::path::Path;

use anyhow::Result;
use wgvae::checkpoint::{Checkpoint, State};
use wgvae::config::{Table, TrainConfig};
use wgvae::error::Error;
use wgvae::model::Loss;
use wgvae::train::Splits;

use crate::cli::ResumeArgs;
use crate::commands::terminal::Screen;

/// Settings beside the sizes of the model that a run cannot change.
const FIXED: [&str; 7] = ["batch-size", "seed", "resize", "colour", "precision", "loss", "sigma"];

/// Checks that the settings of a checkpoint which cannot change have not changed.
pub(super) fn fits(config: &TrainConfig, checkpoint: &Checkpoint, folder: &Path) -> Result<()> {
    let sizes = config.model.table()?;
    let fixed = |config: &TrainConfig| -> Result<Table> {
        Ok(config.table()?.only(|key| sizes.has(key) || FIXED.contains(&key)))
    };
    let (was, is) = (fixed(&checkpoint.state.config)?, fixed(config)?);
    if was == is {
        return Ok(());
    }
    let (was, is) = (was.differences(&is).flags(), is.differences(&was).flags());
    Err(Error::model(folder, format!("was made with {was}\nand cannot continue with {is}")).into())
}

/// The settings in which two trainings differ: "--lr 0.001 to 0.01".
fn differences(was: &TrainConfig, is: &TrainConfig) -> Result<Vec<String>> {
    let (was, is) = (was.table()?, is.table()?);
    let text = |(key, value)| format!("--{key} {} to {value}", was.text(key));
    Ok(is.differences(&was).iter().map(text).collect())
}

/// Applies changes since the checkpoint to its state, and reports them.
///
/// # Errors
/// If the training pictures have changed without `--new-data`, or the remaining steps would change nothing.
pub(super) fn changed(
    screen: &Screen,
    state: &mut State,
    folder: &Path,
    (config, data, flags): (&TrainConfig, &Splits, &ResumeArgs),
) -> Result<()> {
    new_pictures(screen, state, folder, data, flags.new_data)?;
    for change in differences(&state.config, config)? {
        screen.say(&format!("changed: {change}"));
    }
    new_epochs(screen, state, config, data, flags.reschedule)
}

/// Checks that the training pictures are those of `state`. With `--new-data` they may differ; the current epoch then starts
/// again with the new ones.
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
    // format 3 has no digest of the held-out pictures: they are taken to be equal if the training pictures are
    let compares = if state.held_out.is_some() || !same { state.held_out == held_out } else { true };
    if !same {
        screen.say("the training pictures are not those of the run; it continues with the new ones");
        if state.step_in_epoch > 0 {
            screen.say(&format!("epoch {} starts again with them", state.epoch));
        }
        *state = State { step_in_epoch: 0, epoch_loss: Loss::default(), epoch_images: 0, ..state.clone() };
    }
    if !compares {
        if state.best.is_some() {
            screen.say(
                "the held-out pictures have changed, and their losses cannot be compared: the best checkpoint is reset",
            );
        }
        *state = State { best: None, bad_epochs: 0, ..state.clone() };
    }
    Ok(())
}

/// An error if the training pictures are not those of `state`.
pub(in crate::commands) fn same_pictures(data: &Splits, state: &State, folder: &Path) -> Result<()> {
    if state.data == data.train.digest() {
        return Ok(());
    }
    let reason = "was written with other training pictures; restore them, continue with the present ones by --new-data, or \
                  start a new run";
    Err(Error::model(folder, reason).into())
}

/// Applies another number of epochs: schedules continue from their current values, or are recomputed with `--reschedule`.
fn new_epochs(
    screen: &Screen,
    state: &mut State,
    config: &TrainConfig,
    data: &Splits,
    reschedule: bool,
) -> Result<()> {
    let steps = data.train.len().div_ceil(config.batch_size as usize) as u64;
    let before = state.rates(steps);
    let mut jump = state.clone();
    jump.replan(config.epochs, steps, true);
    let jump = jump.rates(steps);
    let changes = state.config.epochs != config.epochs;
    state.replan(config.epochs, steps, reschedule);
    let text = |(lr, beta): (f64, f64)| {
        let lr = if lr == 0.0 { "0".to_owned() } else { format!("{lr:.3e}") };
        format!("learning rate {lr}, beta {beta:.4}")
    };
    let planned = State { config: config.clone(), ..state.clone() };
    if planned.rates(steps).0 == 0.0 && state.epoch <= config.epochs {
        return Err(Error::Usage(format!(
            "--epochs {}: the schedule of the learning rate has ended at 0, and further steps would change nothing. Give \
             --reschedule, which recomputes it over all epochs ({}), or --lr-schedule constant with an --lr",
            config.epochs,
            text(jump)
        ))
        .into());
    }
    let jumps = text(before) != text(jump);
    if reschedule && jumps {
        screen.say(&format!("--reschedule: {} becomes {}", text(before), text(jump)));
    }
    if !reschedule && changes && jumps {
        screen.say(&format!(
            "schedules continue from their current values ({}) to the new last epoch; --reschedule would recompute them \
             over all {} epochs ({})",
            text(before),
            config.epochs,
            text(jump)
        ));
    }
    Ok(())
}
