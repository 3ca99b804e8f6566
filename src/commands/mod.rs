//! The commands of the program, one file or folder each: arguments to library calls, and results to text.

mod about;
mod adapters;
mod bar;
mod bench;
mod bench_data;
mod cache;
mod compare_priors;
mod completions;
mod convert;
mod data;
mod decode;
mod destination;
mod encode;
mod evaluate;
mod export_web;
mod fit_flow;
mod fit_prior;
mod held_out;
mod interpolate;
mod load_model;
mod man;
mod names;
mod out_folder;
mod output;
mod plan;
mod plan_ranks;
mod prior;
mod profile;
mod protected;
mod reconstruct;
mod runs;
mod sample;
mod selftest;
mod signals;
mod terminal;
mod train;
mod traverse;
mod tune;
mod verify;
mod watch;
mod web;

use std::process::ExitCode;

use anyhow::Result;
pub use output::note;
pub use signals::say_file_limits;
use wgvae::gpu::{Adapter, AdapterChoice, adapter};

use crate::cli::{AdapterArgs, Cli, Command};

/// Runs a command, and returns its exit code.
///
/// # Errors
/// If the command fails.
pub fn run(Cli { command, quiet }: Cli) -> Result<ExitCode> {
    output::begin(quiet, command.is_json());
    match command {
        Command::Train(args) => train::run(*args),
        Command::Watch(args) => watch::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Adapters(args) => adapters::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Reconstruct(args) => reconstruct::run(&args),
        Command::Interpolate(args) => interpolate::run(&args),
        Command::Traverse(args) => traverse::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::FitPrior(args) => fit_prior::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::ExportWeb(args) => export_web::run(&args),
        Command::Web(args) => web::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Cache { command } => cache::run(&command),
        Command::Data { command } => data::run(command),
    }
}

/// The adapter that the flags name.
fn choose(args: &AdapterArgs) -> Result<Adapter> {
    Ok(Adapter::choose(&choice(args)?, adapter::backends(args.backend.as_deref())?)?)
}

/// The adapter that the flags name, with a cache of compiled kernels on disk, for commands that are run often.
fn choose_keeping(args: &AdapterArgs) -> Result<Adapter> {
    Ok(keeping(choose(args)?))
}

/// `adapter` with a cache of compiled kernels on disk.
fn keeping(adapter: Adapter) -> Adapter {
    adapter.keeping(wgvae::config::cache_folder().map(|folder| folder.join("pipelines")))
}

/// The choice of an adapter by the flags.
fn choice(args: &AdapterArgs) -> Result<AdapterChoice> {
    Ok(args.adapter.as_deref().unwrap_or("high-performance").parse()?)
}
