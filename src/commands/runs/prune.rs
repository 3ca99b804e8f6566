//! `wgvae runs prune`: removes checkpoints that a training with this `--keep` would not have kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use wgvae::checkpoint::{self, Keep};
use wgvae::data::counted;
use wgvae::error::Error;

use super::summary::{run_folder, size_of};
use super::{all, find};
use crate::commands::output;
use crate::commands::terminal::{bytes, shown};

pub(super) fn run(
    runs: &Path,
    named: &[PathBuf],
    keep: Keep,
    (dry_run, as_json): (bool, bool),
) -> Result<ExitCode> {
    let chosen = if named.is_empty() {
        all(runs)?
    } else {
        named.iter().map(|run| find(runs, run)).collect::<Result<Vec<_>>>()?
    };
    let (mut removed, mut freed, mut skipped) = (Vec::new(), 0, Vec::new());
    for folder in &chosen {
        let run = run_folder(folder);
        // a training writes and removes checkpoints itself
        let locked = if run.is_training() { Err(run.taken()) } else { Ok(()) };
        let lock = locked.and_then(|()| if dry_run { Ok(None) } else { run.lock().map(Some) });
        let lock = match lock {
            Ok(lock) => lock,
            Err(error @ Error::Usage(_)) if named.is_empty() => {
                skipped.push(error.to_string());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for path in checkpoint::surplus(&run.checkpoints(), keep)? {
            let size = size_of(&path);
            if !dry_run {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
            freed += size;
            removed.push((path, size));
        }
        drop(lock);
    }
    skipped.iter().for_each(|reason| output::note(reason));
    if as_json {
        let list =
            removed.iter().map(|(path, size)| json!({ "path": path.to_string_lossy(), "bytes": size }));
        let list: Vec<_> = list.collect();
        println!("{}", json!({ "removed": list, "freed": freed, "dry_run": dry_run, "skipped": skipped }));
        return Ok(ExitCode::SUCCESS);
    }
    // the list is what a dry run was asked for
    let tell = if dry_run { output::print } else { output::say };
    for (path, size) in &removed {
        tell(&format!(
            "{} {} ({})",
            if dry_run { "would remove" } else { "removed" },
            shown(path),
            bytes(*size)
        ));
    }
    let (checkpoints, of) = (counted(removed.len(), "checkpoint"), counted(chosen.len(), "run"));
    let free = if dry_run { "would be free" } else { "freed" };
    tell(&format!("{checkpoints} of {of}, {} {free} (--keep {keep})", bytes(freed)));
    Ok(ExitCode::SUCCESS)
}
