//! The `wgvae` program: parses the command line, runs a command, and prints its errors.

#![expect(unreachable_pub, reason = "the modules of a program are all its own")]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

/// Exit code that shells report for a program ended by a closed pipe.
const PIPE_CLOSED: i32 = 141;
/// Suffixes of the standard library's messages for a closed pipe: EPIPE, and Windows' two codes.
const CLOSED: [&str; 3] = ["(os error 32)", "(os error 109)", "(os error 232)"];

fn main() -> ExitCode {
    wgvae::gpu::llvmpipe::set_thread_count();
    wgvae::gpu::llvmpipe::silence_mesa();
    leave_when_nobody_reads();
    commands::say_file_limits();
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            // the library's errors word their causes themselves
            let (text, code) = match error.downcast_ref::<wgvae::error::Error>() {
                Some(known) => (known.to_string(), known.exit_code()),
                None => (format!("{error:#}"), 1),
            };
            commands::note(&format!("error: {text}"));
            ExitCode::from(code)
        }
    }
}

/// `wgvae plan | head` closes our output while we write to it, and `println!` then panics. This hook turns that panic
/// into a quiet exit, and other write failures, a full disk above all, into an error message. A training does not print with
/// `println!`, so it never ends this way.
fn leave_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // the file is skipped, and named with a reason
        if wgvae::data::is_decoding() {
            return;
        }
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        let Some(failure) = text.strip_prefix("failed printing to ") else { return usual(panic) };
        if CLOSED.iter().any(|code| failure.ends_with(code)) {
            std::process::exit(PIPE_CLOSED);
        }
        commands::note(&format!("error: cannot write to {failure}"));
        std::process::exit(1);
    }));
}
