//! `wgvae man`: manual pages.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use wgvae::data::counted;
use wgvae::error::Error;

use super::destination::{self, Writer};
use super::terminal::shown;
use crate::cli::{Cli, ManArgs};

pub fn run(args: &ManArgs) -> Result<ExitCode> {
    let Some(out) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().write_all(&page).map_err(Error::io("write", "standard output"))?;
        return Ok(ExitCode::SUCCESS);
    };
    destination::new_folder(out)?;
    // generated elsewhere first, so that no file that is not a page is overwritten
    let made = tempfile::tempdir().map_err(Error::io("create", "a temporary folder"))?;
    clap_mangen::generate_to(Cli::command(), &made).map_err(Error::io("write into", out))?;
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&made).map_err(Error::io("read", &made))? {
        let page = entry.map_err(Error::io("read", &made))?.path();
        let name = page.file_name().unwrap_or_default();
        let writer = Writer::new("man", args.force.force || is_page(&out.join(name)), &());
        pages.push((
            writer.picture(Some(&out.join(name)), || out.join(name))?,
            std::fs::read(&page).map_err(Error::io("read", &page))?,
        ));
    }
    for (destination, page) in &pages {
        destination.write(page)?;
    }
    println!("wrote {} ({}); read one with: man {0}/wgvae-train.1", shown(out), counted(pages.len(), "page"));
    Ok(ExitCode::SUCCESS)
}

/// Whether a file is a manual page of this program.
fn is_page(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .is_ok_and(|text| text.lines().take(5).any(|line| line.starts_with(".TH wgvae")))
}
