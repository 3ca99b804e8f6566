//! `wgvae runs show`: settings, checkpoints, last metrics and prior of one run, and the commands that go on from it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use wgvae::config::Table;
use wgvae::generate::{flow_file, prior_file};
use wgvae::train::METRICS;

use super::list::json_of;
use super::summary::{RunState, Stored, Summary, last_line};
use crate::commands::output;
use crate::commands::terminal::{argument, bytes, count, shown};

pub(super) fn run(folder: &Path, as_json: bool) -> Result<ExitCode> {
    let run = Summary::read(folder);
    let settings = settings(&run)?;
    let last = last_line(&folder.join(METRICS), |line| line["kind"] == "epoch");
    let prior = prior(folder);
    if as_json {
        let mut all = json_of(&run);
        let more = json!({
            "settings": settings,
            "checkpoints": run.checkpoints.iter().map(|one| checkpoint_json(&run, one)).collect::<Vec<_>>(),
            "last_epoch": last,
            "prior": prior,
            "commands": commands(&run),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let epochs =
        run.epochs().map_or_else(String::new, |all| format!(", {} of {all} epochs", run.epochs_done()));
    let step = run.progress().map_or(0, |state| state.step);
    output::print(&format!(
        "{}: {}{epochs}, step {}, {}",
        shown(folder),
        run.state,
        count(step),
        bytes(run.bytes)
    ));
    run.damage.iter().for_each(|reason| output::note(reason));
    if let Some(state) = run.progress() {
        output::print(&format!("adapter     {}", state.adapter));
    }
    if let Some(pictures) = run.settings.as_ref().map(|settings| &settings.options.data) {
        let data = pictures.as_ref().map_or_else(|| "built-in landscapes".to_owned(), |data| shown(data));
        output::print(&format!("pictures    {data}, splits {}", settings.text("splits")));
    }
    print_settings(&settings);
    for one in &run.checkpoints {
        let best = if is_best(&run, one) { "  best" } else { "" };
        let name = one.path.file_name().unwrap_or_default().to_string_lossy();
        let (step, size) = (count(one.state.step), bytes(one.bytes));
        output::print(&format!(
            "checkpoint  {:14} step {step:>9}  {size:>9}{best}",
            shown(Path::new(&*name))
        ));
    }
    if let Some(best) = run.best() {
        output::print(&format!(
            "best loss   {:.1} nats per image, {}",
            best.loss,
            wgvae::error::printable_text(&best.name)
        ));
    }
    if let Some(line) = &last {
        output::print(&format!("last epoch  {}", figures(line)));
    }
    output::print(&format!("prior       {prior}"));
    commands(&run).iter().for_each(|(what, command)| output::print(&format!("{what:11} {command}")));
    Ok(ExitCode::SUCCESS)
}

/// All settings, or those of the newest checkpoint.
fn settings(run: &Summary) -> Result<Table> {
    if let Some(settings) = &run.settings {
        let options = Table::of(&settings.options)?.only(|key| !["name", "runs", "data"].contains(&key));
        return Ok(settings.config.table()?.over(&options));
    }
    Ok(run.progress().map(|state| state.config.table()).transpose()?.unwrap_or_default())
}

/// The settings in lines of at most 80 columns.
fn print_settings(settings: &Table) {
    let mut line = String::from("settings   ");
    for (key, value) in settings.iter().filter(|(_, value)| !value.to_string().is_empty()) {
        let word = wgvae::error::printable_text(&format!("{key}={value}"));
        if line.chars().count() + 1 + word.chars().count() > 80 {
            output::print(&line);
            line = " ".repeat(11);
        }
        line += &format!(" {word}");
    }
    output::print(&line);
}

fn is_best(run: &Summary, one: &Stored) -> bool {
    run.best().is_some_and(|best| one.path.ends_with(&best.name))
}

fn checkpoint_json(run: &Summary, one: &Stored) -> Value {
    json!({
        "path": one.path.to_string_lossy(),
        "step": one.state.step,
        "epoch": one.state.epoch,
        "step_in_epoch": one.state.step_in_epoch,
        "bytes": one.bytes,
        "best": is_best(run, one),
    })
}

/// The figures of an epoch in words.
fn figures(line: &Value) -> String {
    let number = |key: &str| line[key].as_f64();
    let with = |what: &str, key: &str| number(key).map(|value| format!("{what} {value:.1}"));
    let parts = [
        with("loss", "train_loss"),
        with("NLL", "train_nll"),
        number("train_kl").map(|kl| format!("KL {kl:.2}")),
        with("validation", "validation_loss"),
        number("images_per_second").map(|speed| format!("{speed:.1} img/s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The prior that `sample` draws from by default.
fn prior(folder: &Path) -> String {
    let fitted = prior_file::place(folder);
    let flow = flow_file::beside(folder);
    match flow {
        Some(path) => format!("flow ({})", shown(&path)),
        None if fitted.is_file() => format!("Gaussians ({})", shown(&fitted)),
        None => "N(0, I)".to_owned(),
    }
}

/// Commands that use the run, each with a word for it.
fn commands(run: &Summary) -> Vec<(&'static str, String)> {
    let path = argument(&run.run.path);
    let mut all = Vec::new();
    if let Some(command) = run.continued() {
        all.push((if run.state == RunState::Finished { "longer" } else { "continue" }, command));
    }
    if let Some(one) = run.checkpoints.len().checked_sub(2).map(|at| &run.checkpoints[at]) {
        all.push(("rewind", format!("wgvae train --resume {}", argument(&one.path))));
    }
    if !run.checkpoints.is_empty() {
        all.push(("pictures", format!("wgvae sample {path}")));
        all.push(("free disk", format!("wgvae runs prune {path} --keep best")));
    }
    all
}
