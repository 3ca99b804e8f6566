//! `wgvae man`: manual pages.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::CommandFactory;
use tempfile::TempDir;
use wgvae::data::counted;
use wgvae::error::Error;

use super::destination::{self, Writer, usage};
use super::output;
use super::terminal::shown;
use crate::cli::{Cli, ManArgs};

/// Similarity of a word to the name of a command, from 0 to 1, above which the command was meant.
const MEANT: f64 = 0.8;

pub fn run(args: &ManArgs) -> Result<ExitCode> {
    // generated elsewhere first, so that no file that is not a page is overwritten
    let made = tempfile::tempdir().map_err(Error::io("create", "a temporary folder"))?;
    let clap = Cli::command();
    clap_mangen::generate_to(clap, &made).map_err(Error::io("write into", made.path()))?;
    let page = |command: &str| made.path().join(format!("wgvae{command}.1"));
    match (&args.page, &args.out) {
        (Some(_), Some(_)) => usage("give a COMMAND for its page, or --output for the pages of all".into()),
        (None, Some(out)) => write(args, out, &made),
        (None, None) => show(&page("")),
        (Some(name), None) => {
            let text = name.to_string_lossy();
            let named = page(&format!("-{text}"));
            if !text.contains('/') && named.is_file() {
                return show(&named);
            }
            if let Some(meant) = similar(&text, &made).filter(|_| !name.is_dir()) {
                return usage(format!("there is no command {text}; did you mean `wgvae man {meant}`?"));
            }
            // earlier versions took the folder without a flag
            write(args, name, &made)
        }
    }
}

/// The pages, in alphabetical order.
fn pages(made: &TempDir) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(made).map_err(Error::io("read", made.path()))?;
    let mut pages: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    pages.sort();
    Ok(pages)
}

/// The command whose name is like `word`.
fn similar(word: &str, made: &TempDir) -> Option<String> {
    let names = pages(made)
        .ok()?
        .into_iter()
        .filter_map(|page| Some(page.file_stem()?.to_string_lossy().strip_prefix("wgvae-")?.to_owned()));
    let likely = names.map(|name| (strsim::jaro(word, &name), name)).filter(|(score, _)| *score > MEANT);
    likely.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Opens a page with the program `man`. Prints its source if standard output is no terminal.
fn show(page: &Path) -> Result<ExitCode> {
    let source = std::fs::read(page).map_err(Error::io("read", page))?;
    if !std::io::stdout().is_terminal() {
        std::io::stdout().write_all(&source).map_err(Error::io("write", "standard output"))?;
        return Ok(ExitCode::SUCCESS);
    }
    // with a slash in its name, `man` of every system opens the file
    match Command::new("man").arg(page).status() {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        _ => {
            let command = page.file_stem().unwrap_or_default().to_string_lossy().replace("wgvae-", "wgvae ");
            let command = command.replace("data-", "data ");
            usage(format!("the program `man` is not here or failed; `{command} --help` has the same text"))
        }
    }
}

fn write(args: &ManArgs, out: &Path, made: &TempDir) -> Result<ExitCode> {
    destination::new_folder(out)?;
    let mut written = Vec::new();
    for page in pages(made)? {
        let name = page.file_name().unwrap_or_default();
        let writer = Writer::new("man", args.force.force || is_page(&out.join(name)), &());
        written.push((
            writer.picture(Some(&out.join(name)), || out.join(name))?,
            std::fs::read(&page).map_err(Error::io("read", &page))?,
        ));
    }
    for (destination, page) in &written {
        destination.write(page)?;
    }
    let pages = counted(written.len(), "page");
    output::say(&format!("wrote {} ({pages}); read one with: man {0}/wgvae-train.1", shown(out)));
    Ok(ExitCode::SUCCESS)
}

/// Whether a file is a manual page of this program.
fn is_page(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .is_ok_and(|text| text.lines().take(5).any(|line| line.starts_with(".TH wgvae")))
}
