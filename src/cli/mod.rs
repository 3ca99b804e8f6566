//! The command line: commands, flags, and the texts of `--help`.

mod common;
mod data;
mod evaluate;
mod files;
mod measure;
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
pub use train::*;
pub use trained::*;
pub use watch::*;
pub use web::*;

/// Train a variational autoencoder on your own photographs, on any GPU.
#[derive(Debug, Parser)]
#[command(name = "wgvae", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train on a folder of pictures, or without one on built-in procedural landscapes
    Train(Box<TrainArgs>),
    /// Follow trainings and compare runs on a page in the browser, on 127.0.0.1
    Watch(WatchArgs),
    /// Draw samples from a trained model, as a grid or as separate files
    Sample(SampleArgs),
    /// Convert a model, such as a PyTorch .pth file, to a .safetensors file
    Convert(ConvertArgs),
    /// Check the files of a run's checkpoints, and recompute its last steps bit by bit
    Verify(VerifyArgs),
    /// Reconstruct pictures: a sheet of originals above their reconstructions, or separate files
    Reconstruct(ReconstructArgs),
    /// Interpolate between two pictures in latent space: a strip, with --gif also an animation
    Interpolate(InterpolateArgs),
    /// Vary single latent dimensions or principal directions of a picture: a sheet with one row for each
    Traverse(TraverseArgs),
    /// Encode pictures to latents: a .safetensors, .npy or .csv file
    Encode(EncodeArgs),
    /// Decode latents to pictures
    Decode(DecodeArgs),
    /// Fit a mixture of Gaussians to the latents of pictures, for better samples than from N(0, I)
    FitPrior(FitPriorArgs),
    /// Evaluate a model on held-out pictures: losses, bounds, reconstructions, latents, samples
    Evaluate(EvaluateArgs),
    /// Write a static web page that runs the model in the browser with WebGPU
    ExportWeb(ExportWebArgs),
    /// Serve a model's web page, or an exported one, on 127.0.0.1
    Web(WebArgs),
    /// List the adapters with their capabilities, and the one that would be used
    Adapters(ListArgs),
    /// Compare every kernel with its CPU reference on the adapter
    Selftest(SelftestArgs),
    /// Print every dispatch of a training step with its cost, and the memory use; runs nothing
    Plan(PlanArgs),
    /// Measure the fastest configuration of each kernel on the adapter, and keep it for trainings
    Tune(TuneArgs),
    /// Measure the throughput of training steps, or with --data of loading pictures, in images per second
    Bench(BenchArgs),
    /// Time every dispatch of training steps, and compare it with the adapter's roofline
    Profile(ProfileArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or write the pages of all commands to a folder
    Man(ManArgs),
    /// Inspect training pictures: check a folder, write the built-in landscapes, make a contact sheet
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
}
