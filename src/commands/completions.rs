//! `wgvae completions`: completion scripts of shells.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use wgvae::error::Error;

use crate::cli::{Cli, CompletionsArgs};

pub fn run(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wgvae", &mut script);
    std::io::stdout().write_all(&script).map_err(Error::io("write", "standard output"))?;
    Ok(ExitCode::SUCCESS)
}
