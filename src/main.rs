//! The `wgvae` program: reads the command line, runs a command, words its errors.

#![expect(unreachable_pub, reason = "the modules of a program are all its own")]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let known = error.downcast_ref::<wgvae::error::Error>();
            ExitCode::from(known.map_or(1, wgvae::error::Error::exit_code))
        }
    }
}
