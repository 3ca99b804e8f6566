//! `wgvae watch`: a page that follows trainings and compares runs. Also the page of `train --watch`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use wgvae::train::RunFolder;
use wgvae::watch::{self, Exported, Watch, Watching};

use super::destination::{Writer, must_end_with};
use super::output;
use super::terminal::{bytes, shown};
use crate::cli::{TrainWatchArgs, WatchArgs};

/// Folder of the runs without an argument.
const RUNS: &str = "runs";

pub fn run(args: &WatchArgs) -> Result<ExitCode> {
    let path = args.path.clone().unwrap_or_else(|| PathBuf::from(RUNS));
    let mut watch = Watch::new(&path)?;
    if let Some(file) = &args.export {
        must_end_with(file, "html", "a page")?;
        let to = Writer::new("watch", args.force.force, &()).named(file)?;
        let (page, Exported { runs, pictures: [some, all] }) = watch::export(&mut watch);
        let page = to.mark.sign_page(&page);
        to.write(page.as_bytes())?;
        let size = bytes(page.len() as u64);
        let runs = wgvae::data::counted(runs, "run");
        output::say(&format!("wrote {} ({size}): {runs}, {some} of {all} pictures", shown(file)));
        return Ok(ExitCode::SUCCESS);
    }
    let watching = watch::serve(watch, args.port)?;
    output::print(&format!("{}  (reachable from this machine only; Ctrl-C to stop)", watching.url()));
    watching.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// The server of the page of a training. It ends with the process.
pub(super) fn of_training(args: &TrainWatchArgs, run: &RunFolder) -> Result<Watching> {
    let folder = run.path.parent().filter(|folder| *folder != Path::new(""));
    Ok(watch::serve(Watch::new(folder.unwrap_or_else(|| Path::new(".")))?, args.port)?)
}
