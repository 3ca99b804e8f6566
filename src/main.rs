//! The `wgvae` program: reads the command line, runs a command, words its errors.

#![expect(unreachable_pub, reason = "the modules of a program are all its own")]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

/// Tells llvmpipe how many threads it has.
const LLVMPIPE_THREADS: &str = "LP_NUM_THREADS";
/// Cores up to which it gets two threads for each: it takes 16 at most.
const FEW_CORES: usize = 8;

/// What a shell says of a program that a closed pipe ended.
const PIPE_CLOSED: i32 = 141;

fn main() -> ExitCode {
    cut_llvmpipes_work_finer();
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

/// llvmpipe cuts every dispatch into as many parts as it has threads, one for each core, and waits for the last: where two
/// parts meet on one core for a while, the others idle. With parts half as long, the kernel that spreads threads over
/// cores evens that out. Must come before any thread.
#[expect(unsafe_code, reason = "this driver can be told in no other way")]
fn cut_llvmpipes_work_finer() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores <= FEW_CORES && std::env::var_os(LLVMPIPE_THREADS).is_none() {
        // SAFETY: nothing else runs yet that could read the environment meanwhile
        unsafe { std::env::set_var(LLVMPIPE_THREADS, (2 * cores).to_string()) }
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
