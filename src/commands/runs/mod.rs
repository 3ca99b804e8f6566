//! `wgvae runs`: the runs of a folder, what is known of one, and checkpoints that are no longer needed.

mod list;
mod prune;
mod show;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
pub use summary::{RunState, Summary, files_below, last_line};
use wgvae::error::{Error, printable_text};

use self::summary::is_run;
use super::terminal::shown;
use crate::cli::{RunsArgs, RunsCommand};

pub fn run(args: &RunsArgs) -> Result<ExitCode> {
    match &args.command {
        None => list::run(&args.runs, args.json),
        Some(RunsCommand::Show { run }) => show::run(&find(&args.runs, run)?, args.json),
        Some(RunsCommand::Prune { named, keep, dry_run }) => {
            prune::run(&args.runs, named, *keep, (*dry_run, args.json))
        }
    }
}

/// The run that was typed: its folder, or its name in `runs`.
fn find(runs: &Path, given: &Path) -> Result<PathBuf> {
    if is_run(given) {
        return Ok(given.to_path_buf());
    }
    let by_name = runs.join(given);
    if is_run(&by_name) {
        return Ok(by_name);
    }
    let names: Vec<String> =
        all(runs)?.iter().map(|run| shown(Path::new(run.file_name().unwrap_or_default()))).collect();
    let known =
        if names.is_empty() { String::new() } else { format!("; {} has {}", shown(runs), names.join(", ")) };
    Err(Error::model(given, format!("there is no such run{known}")).into())
}

/// The folders of all runs in `runs`, by name.
fn all(runs: &Path) -> Result<Vec<PathBuf>> {
    if !runs.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(runs).map_err(Error::io("read", runs))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_run(path))
        .collect();
    all.sort();
    Ok(all)
}

/// `name` on one line, with at most `width` characters: runs of a sweep differ at their ends.
pub fn shorten(name: &str, width: usize) -> String {
    let name: Vec<char> = printable_text(name).chars().collect();
    if name.len() <= width {
        return name.into_iter().collect();
    }
    let head = width / 3;
    let tail = name.len() - width.saturating_sub(head + 1);
    name[..head].iter().chain(&['~']).chain(&name[tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shorten("photos", 6), "photos");
        assert_eq!(shorten("landscapes-beta-0.2-lr-1e-3", 20), "landsc~a-0.2-lr-1e-3");
        assert_eq!(shorten("a\n", 20), "a\\n");
        for width in 3..30 {
            assert_eq!(shorten(&"x".repeat(40), width).len(), width);
        }
    }
}
