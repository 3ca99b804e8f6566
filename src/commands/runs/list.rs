//! `wgvae runs`: a table of the runs of a folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::summary::{RunState, Summary};
use super::{all, shorten};
use crate::commands::output;
use crate::commands::terminal::{bytes, shown};

/// Width of the names, at most: with the other columns a line has 80.
const NAME: usize = 20;

pub(super) fn run(runs: &Path, as_json: bool) -> Result<ExitCode> {
    let all: Vec<Summary> = all(runs)?.iter().map(|folder| Summary::read(folder)).collect();
    if as_json {
        let all: Vec<_> = all.iter().map(json_of).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        output::print(&format!("no runs in {}; a training makes one: wgvae train", shown(runs)));
        return Ok(ExitCode::SUCCESS);
    }
    let width = all.iter().map(|run| run.run.name.chars().count()).max().unwrap_or(0).clamp(3, NAME);
    output::print(&format!(
        "{:width$} {:9} {:>4} {:>9} {:>10} {:>9}  state",
        "run", "model", "px", "epochs", "best loss", "disk"
    ));
    for run in &all {
        let (model, size) = run
            .model()
            .map_or_else(|| ("-".to_owned(), "-".to_owned()), |(name, size)| (name, size.to_string()));
        let epochs =
            run.epochs().map_or_else(|| "-".to_owned(), |all| format!("{}/{all}", run.epochs_done()));
        let best = run.best().map_or_else(|| "-".to_owned(), |best| format!("{:.1}", best.loss));
        output::print(&format!(
            "{:width$} {model:9} {size:>4} {epochs:>9} {best:>10} {:>9}  {}",
            shorten(&run.run.name, width),
            bytes(run.bytes),
            run.state
        ));
    }
    for run in &all {
        if let (RunState::Interrupted | RunState::Diverged, Some(command)) = (run.state, run.continued()) {
            output::print(&format!("continue with: {command}"));
        }
    }
    for run in all.iter().filter(|run| !run.damage.is_empty()) {
        run.damage.iter().for_each(|reason| output::note(reason));
    }
    let total = all.iter().map(|run| run.bytes).sum();
    let one = all.iter().find(|run| run.state == RunState::Finished).unwrap_or(&all[0]);
    output::print(&format!(
        "{} in all; more of a run: wgvae runs show {}",
        bytes(total),
        shown(Path::new(&one.run.name))
    ));
    Ok(ExitCode::SUCCESS)
}

/// A run as a JSON object.
pub(super) fn json_of(run: &Summary) -> serde_json::Value {
    let model = run.model();
    json!({
        "name": run.run.name,
        "path": run.run.path.to_string_lossy(),
        "state": run.state,
        "model": model.as_ref().map(|(name, _)| name),
        "size": model.as_ref().map(|(_, size)| size),
        "epochs_done": run.epochs_done(),
        "epochs": run.epochs(),
        "step": run.progress().map_or(0, |state| state.step),
        "best": run.best(),
        "bytes": run.bytes,
        "damage": run.damage,
        "continue": run.continued(),
    })
}
