//! The `wgvae` program: reads the command line, runs a command, words its errors.

#![expect(unreachable_pub, reason = "the modules of a program are all its own")]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

/// What a shell says of a program that a closed pipe ended.
const PIPE_CLOSED: i32 = 141;

fn main() -> ExitCode {
    wgvae::gpu::software::cut_work_finer();
    leave_quietly_when_nobody_reads();
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

/// `wgvae plan | head` closes our output while we write to it, which `println!` takes for a panic.
fn leave_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to std") {
            std::process::exit(PIPE_CLOSED);
        }
        usual(panic);
    }));
}
