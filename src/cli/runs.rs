//! Flags of `wgvae runs` and `wgvae cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use wgvae::checkpoint::Keep;

use super::examples;

#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// Folder of the runs
    #[arg(long, value_name = "FOLDER", default_value = "runs", global = true)]
    pub runs: PathBuf,
    /// Print the result as one JSON document on standard output; progress and notes go to standard error
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RunsCommand {
    /// Show settings, checkpoints, last metrics and prior of a run, and the commands that continue it
    #[command(after_help = examples::RUNS_SHOW)]
    Show {
        /// Folder or name of the run
        run: PathBuf,
    },
    /// Remove checkpoints that a training with this --keep would not have kept: never the best one, nor the newest one
    #[command(after_help = examples::RUNS_PRUNE)]
    Prune {
        /// Folders or names of runs [default: all of them]
        #[arg(value_name = "RUN")]
        named: Vec<PathBuf>,
        /// Checkpoints to keep in addition to the best one: a number of newest ones, best (only the newest one), few (the
        /// last 3 at the end of an epoch and the last 2 within one), or all
        #[arg(long, value_name = "CHECKPOINTS")]
        keep: Keep,
        /// Report what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum CacheCommand {
    /// Show the folder of each cache, its files and its size
    #[command(after_help = examples::CACHE_SHOW)]
    Show {
        /// Print the result as one JSON document on standard output; progress and notes go to standard error
        #[arg(long)]
        json: bool,
    },
    /// Remove what is cached. Everything is made again when it is needed
    #[command(after_help = examples::CACHE_CLEAR)]
    Clear {
        /// Caches to clear [default: all]
        #[arg(value_enum)]
        what: Vec<CacheKind>,
        /// Do not ask
        #[arg(long)]
        force: bool,
    },
}

/// A part of the cache folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CacheKind {
    /// decoded pictures
    Pictures,
    /// compiled kernels
    Pipelines,
    /// results of the autotuner
    Tuning,
    /// the files of the model that is built in
    Builtin,
}
