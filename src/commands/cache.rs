//! `wgvae cache`: the files that can be made again, their sizes, and their removal.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use wgvae::config::cache_folder;
use wgvae::data::counted;
use wgvae::error::Error;

use super::destination::usage;
use super::output;
use super::runs::files_below;
use super::terminal::{bytes, shown};
use crate::cli::{CacheCommand, CacheKind};

/// All caches: name of the folder, content.
const ALL: [(CacheKind, &str, &str); 4] = [
    (CacheKind::Pictures, "pictures", "decoded pictures"),
    (CacheKind::Pipelines, "pipelines", "compiled kernels"),
    (CacheKind::Tuning, "tuning", "results of the autotuner"),
    (CacheKind::Builtin, "builtin", "the model that is built in"),
];

/// A cache on disk.
struct Cached {
    folder: PathBuf,
    what: &'static str,
    files: usize,
    bytes: u64,
}

impl Cached {
    fn find(kinds: &[CacheKind]) -> Result<Vec<Self>> {
        let Some(cache) = cache_folder() else {
            return usage("the system names no folder for caches; set WGVAE_CACHE_DIR".into());
        };
        let chosen = ALL.iter().filter(|(kind, ..)| kinds.is_empty() || kinds.contains(kind));
        let read = |(_, name, what): &(CacheKind, &str, &'static str)| {
            let folder = cache.join(name);
            let (files, bytes) = files_below(&folder);
            Self { folder, what, files, bytes }
        };
        Ok(chosen.map(read).collect())
    }
}

pub fn run(command: &CacheCommand) -> Result<ExitCode> {
    match command {
        CacheCommand::Show { json: true } => {
            let entry = |one: &Cached| {
                json!({
                    "folder": one.folder.to_string_lossy(), "content": one.what, "files": one.files,
                    "bytes": one.bytes,
                })
            };
            let all: Vec<_> = Cached::find(&[])?.iter().map(entry).collect();
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
        CacheCommand::Show { json: false } => show(&Cached::find(&[])?),
        CacheCommand::Clear { what, force } => return clear(&Cached::find(what)?, *force),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(all: &[Cached]) {
    for one in all {
        let Cached { folder, what, files, bytes: size } = one;
        output::print(&format!(
            "{:>9}  {:>9}  {what}\n{:22} {}",
            bytes(*size),
            counted(*files, "file"),
            "",
            shown(folder)
        ));
    }
    let total = all.iter().map(|one| one.bytes).sum();
    output::print(&format!("{:>9}  in all; remove it with: wgvae cache clear", bytes(total)));
}

fn clear(all: &[Cached], force: bool) -> Result<ExitCode> {
    let there: Vec<&Cached> = all.iter().filter(|one| one.files > 0).collect();
    if there.is_empty() {
        output::say("there is nothing to remove");
        return Ok(ExitCode::SUCCESS);
    }
    for one in &there {
        output::say(&format!("{:>9}  {} ({})", bytes(one.bytes), shown(&one.folder), one.what));
    }
    if !force && !agreed()? {
        output::say("nothing was removed");
        return Ok(ExitCode::FAILURE);
    }
    for one in &there {
        std::fs::remove_dir_all(&one.folder).map_err(Error::io("remove", &one.folder))?;
    }
    output::say(&format!("removed {}", bytes(there.iter().map(|one| one.bytes).sum())));
    Ok(ExitCode::SUCCESS)
}

/// Asks on the terminal.
fn agreed() -> Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stdout().is_terminal() {
        return usage("cache clear: there is no terminal to ask on; give --force".into());
    }
    print!("remove all of it? [y/N] ");
    std::io::stdout().flush().map_err(Error::io("write", "standard output"))?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(Error::io("read", "standard input"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
