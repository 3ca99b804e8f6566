//! The command line: commands, flags, and the texts of `--help`.

mod common;
mod data;
mod evaluate;
mod examples;
mod files;
mod measure;
mod runs;
mod train;
mod trained;
mod watch;
mod web;

use clap::{Parser, Subcommand};
pub use common::*;
pub use data::*;
pub use evaluate::*;
pub use files::*;
pub use measure::*;
pub use runs::*;
pub use train::*;
pub use trained::*;
pub use watch::*;
pub use web::*;

/// Train a variational autoencoder on your own photographs, on any GPU.
#[derive(Debug, Parser)]
#[command(
    name = "wgvae",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    args_override_self = true
)]
#[command(after_help = examples::EXIT_CODES)]
pub struct Cli {
    /// Print only errors, and the data that a command was asked for: no progress, notes or names of written files
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train on a folder of pictures, or without one on built-in procedural landscapes
    #[command(after_help = examples::TRAIN)]
    Train(Box<TrainArgs>),
    /// Follow trainings and compare runs on a page in the browser, on 127.0.0.1
    #[command(after_help = examples::WATCH)]
    Watch(WatchArgs),
    /// List runs with their best loss, size on disk and state; show one, or remove checkpoints that are not needed
    #[command(after_help = examples::RUNS)]
    Runs(RunsArgs),
    /// Draw samples from a trained model, as a grid or as separate files
    #[command(after_help = examples::SAMPLE)]
    Sample(SampleArgs),
    /// Convert a model, such as a PyTorch .pth file, to a .safetensors file
    #[command(after_help = examples::CONVERT, override_usage = "wgvae convert [OPTIONS] <IN> --output <FILE>")]
    Convert(ConvertArgs),
    /// Check the files of a run's checkpoints, and recompute its last steps bit by bit
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArgs),
    /// Reconstruct pictures: a sheet of originals above their reconstructions, or separate files
    #[command(after_help = examples::RECONSTRUCT)]
    Reconstruct(ReconstructArgs),
    /// Interpolate between two pictures in latent space: a strip, with --gif also an animation
    #[command(after_help = examples::INTERPOLATE)]
    Interpolate(InterpolateArgs),
    /// Vary single latent dimensions or principal directions of a picture: a sheet with one row for each
    #[command(after_help = examples::TRAVERSE)]
    Traverse(TraverseArgs),
    /// Encode pictures to latents: a .safetensors, .npy or .csv file
    #[command(after_help = examples::ENCODE)]
    Encode(EncodeArgs),
    /// Decode latents to pictures
    #[command(after_help = examples::DECODE)]
    Decode(DecodeArgs),
    /// Fit a mixture of Gaussians to the latents of pictures, for better samples than from N(0, I)
    #[command(after_help = examples::FIT_PRIOR)]
    FitPrior(FitPriorArgs),
    /// Evaluate a model on held-out pictures: losses, bounds, reconstructions, latents, samples
    #[command(after_help = examples::EVALUATE)]
    Evaluate(EvaluateArgs),
    /// Write a static web page that runs the model in the browser with WebGPU
    #[command(after_help = examples::EXPORT_WEB)]
    #[command(override_usage = "wgvae export-web [OPTIONS] <MODEL> [DATA]... --output <FOLDER>")]
    ExportWeb(ExportWebArgs),
    /// Serve a model's web page, or an exported one, on 127.0.0.1
    #[command(after_help = examples::WEB)]
    Web(WebArgs),
    /// List the adapters with their capabilities, and the one that would be used
    #[command(after_help = examples::ADAPTERS)]
    Adapters(ListArgs),
    /// Compare every kernel with its CPU reference on the adapter
    #[command(after_help = examples::SELFTEST)]
    Selftest(SelftestArgs),
    /// Print every dispatch of a training step with its cost, and the memory use; runs nothing
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Measure the fastest configuration of each kernel on the adapter, and keep it for trainings
    #[command(after_help = examples::TUNE)]
    Tune(TuneArgs),
    /// Measure the throughput of training steps, or with DATA of loading pictures, in images per second
    #[command(after_help = examples::BENCH)]
    Bench(BenchArgs),
    /// Time every dispatch of training steps, and compare it with the adapter's roofline
    #[command(after_help = examples::PROFILE)]
    Profile(ProfileArgs),
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or write the pages of all commands to a folder
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
    /// Show or clear the cache of decoded pictures, compiled kernels and tuning results
    #[command(after_help = examples::CACHE)]
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Inspect training pictures: check a folder, write the built-in landscapes, make a contact sheet
    #[command(after_help = examples::DATA)]
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
}

impl Command {
    /// Whether the result is printed as JSON.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Adapters(args) => args.json.json,
            Self::Selftest(args) => args.json.json,
            // a line of JSON for each kernel
            Self::Plan(args) => args.json.json || args.compile,
            Self::Tune(args) => args.json.json,
            Self::Bench(args) => args.json.json,
            Self::Profile(args) => args.json.json,
            Self::FitPrior(args) => args.json.json,
            Self::Evaluate(args) => args.json.json,
            Self::Verify(args) => args.json.json,
            Self::Runs(args) => args.json,
            Self::Cache { command: CacheCommand::Show { json } } => *json,
            Self::Data { command: DataCommand::Check { json, .. } } => json.json,
            _ => false,
        }
    }
}
