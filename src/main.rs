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
            // the library's errors word their causes themselves
            let (text, code) = match error.downcast_ref::<wgvae::error::Error>() {
                Some(known) => (known.to_string(), known.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            eprintln!("error: {text}");
            ExitCode::from(code)
        }
    }
}
