//! `wgvae man`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use wgvae::error::Error;

use super::screen::shown;
use crate::cli::{Cli, ManArgs};

pub fn run(args: &ManArgs) -> Result<ExitCode> {
    let Some(out) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().write_all(&page).map_err(Error::io("write", "standard output"))?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    clap_mangen::generate_to(Cli::command(), out).map_err(Error::io("write into", out))?;
    println!("wrote the pages to {}; read one with: man {}/wgvae-train.1", shown(out), shown(out));
    Ok(ExitCode::SUCCESS)
}
