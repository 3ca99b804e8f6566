//! The command line: what can be typed, and what `--help` says.

mod train;
mod trained;
mod web;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use wgvae::data::{Resize, Splits};
use wgvae::gpu::Element;

pub use train::*;
pub use trained::*;
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
    /// Train on a folder of pictures, or, without one, on built-in procedural landscapes
    Train(Box<TrainArgs>),
    /// Draw pictures from a trained model: a grid, or separate files
    Sample(SampleArgs),
    /// Turn a PyTorch .pth file (or any model) into a .safetensors file
    Convert(ConvertArgs),
    /// Check a run: the files of its checkpoints, and its last steps computed again, bit by bit
    Verify(VerifyArgs),
    /// Pictures over their reconstructions, or with --separate the reconstructions as files
    Reconstruct(ReconstructArgs),
    /// The way from one picture to another in latent space: a strip, and with --gif a film
    Interpolate(InterpolateArgs),
    /// One row per latent dimension, the most used first: what each of them does to a picture
    Traverse(TraverseArgs),
    /// Pictures to latents, with their names and classes: .safetensors, .npy or .csv
    Encode(EncodeArgs),
    /// Latents to pictures
    Decode(DecodeArgs),
    /// Fit a density to the latents of real pictures: sampling from it gives better pictures than N(0, I)
    FitPrior(FitPriorArgs),
    /// Measure a model on held-out pictures, or on built-in landscapes: losses, bounds, reconstructions, latents, samples
    Evaluate(EvaluateArgs),
    /// Write a static page that runs the model in the browser, by the same WGSL: no server, nothing to install
    ExportWeb(ExportWebArgs),
    /// Show a model's page, or one that was exported, on 127.0.0.1
    Web(WebArgs),
    /// List the adapters, what they can do, and which one would be taken: for a bug report
    Adapters(ListArgs),
    /// Run every kernel against its CPU twin on the adapter in use: a table for a bug report
    Selftest(SelftestArgs),
    /// Print every dispatch of a training step, with its cost, and the memory it takes; runs nothing
    Plan(PlanArgs),
    /// Measure which form of each kernel is fastest on the adapter, and keep the choice for trainings
    Tune(TuneArgs),
    /// Measure training steps on random pictures, or with --data the loading of pictures: images per second
    Bench(BenchArgs),
    /// Time every dispatch of training steps on random pictures, against what the adapter can do at best
    Profile(ProfileArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArgs),
    /// The manual: print its first page, or write the pages of all commands to a folder
    Man(ManArgs),
    /// Look at training pictures: report on a folder, write the built-in ones, make a contact sheet
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
}

/// Which GPU.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct AdapterArgs {
    /// high-performance, low-power, software, a number from `wgvae adapters`, or a part of a name such as 3060
    #[arg(long, value_name = "WHICH")]
    pub adapter: Option<String>,
    /// Only this back end: vulkan, metal or dx12
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
}

/// What may be written over.
#[derive(Debug, Clone, Default, Args)]
pub struct ForceArgs {
    /// Write over a file that is there already. Without this only what the same command has written, and nobody has
    /// changed since, is written over; what is read, and what belongs to a run, never is
    #[arg(long)]
    pub force: bool,
}

/// A set of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 256 px, hidden 64, latent 128, batch 64: the reference implementation's model, 56.0 M parameters
    Reference,
    /// 128 px, hidden 32, latent 128, batch 32: for a laptop's GPU
    Laptop,
    /// 64 px, hidden 16, latent 32, batch 16: minutes on anything
    Demo,
}

impl Preset {
    /// As it is typed.
    pub fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// Whether the training pictures stay on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resident {
    /// on a GPU, where they fit a gigabyte and one binding; never on a software adapter, which shares our memory
    Auto,
    /// or the run ends with what does not fit
    Yes,
    /// upload each batch
    No,
}

/// In how many bits activations and their gradients are kept; sums, parameters and the loss are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits
    #[default]
    F32,
    /// 16 bits, where the adapter has them: half the memory of a micro-batch, gradients scaled so that none vanish
    F16,
}

impl From<Precision> for Element {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
        }
    }
}

impl From<Element> for Precision {
    fn from(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
        }
    }
}

/// The sizes of a model.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct ModelArgs {
    /// Sizes to start from; the flags below change single ones [default: reference]
    #[arg(long)]
    pub preset: Option<Preset>,
    /// Edge of the square pictures in pixels, a multiple of 16
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<u32>,
    /// Channels after the first convolution; the next ones have 2, 4 and 8 times as many
    #[arg(long, value_name = "CHANNELS")]
    pub hidden: Option<u32>,
    /// Latent dimensions
    #[arg(long, value_name = "DIMENSIONS")]
    pub latent: Option<u32>,
    /// Pictures per step
    #[arg(long, value_name = "PICTURES")]
    pub batch_size: Option<u32>,
    /// Pictures computed at once; their gradients add up to the batch's. A number, or auto: what fits
    #[arg(long, value_name = "PICTURES")]
    pub micro_batch: Option<String>,
    /// In how many bits activations and their gradients are kept: f32, or f16 where the adapter has it [default: f32]
    #[arg(long, hide_possible_values = true)]
    pub precision: Option<Precision>,
}

/// Which forms of the kernels.
#[derive(Debug, Clone, Default, Args)]
pub struct TuningArgs {
    /// Take the built-in forms of the kernels: measure none, and use no kept measurements
    #[arg(long, conflicts_with = "tuning")]
    pub no_tune: bool,
    /// Take the forms of the kernels from this file, such as a run's tuning.json: same bits again
    #[arg(long, value_name = "FILE")]
    pub tuning: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Measure again what is kept from before
    #[arg(long)]
    pub again: bool,
    /// Print every candidate and its time, not only the one that was chosen
    #[arg(long, short)]
    pub verbose: bool,
    /// Write the choices to this .json file too, for --tuning
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ConvertArgs {
    /// A .pth file (a state_dict, or a dictionary with one and its optimizer), a .safetensors file, or a run
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// The .safetensors file, under PyTorch's names: load_state_dict takes it as it is
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
    /// Write over OUT if it is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The run's folder
    pub run: PathBuf,
    /// Compute at least so many steps again [default: those since the checkpoint before the last]
    #[arg(long)]
    pub steps: Option<u64>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct SelftestArgs {
    /// Print every case, not only each kernel's worst; with RAYON_NUM_THREADS=1 in the environment one after the other,
    /// which names the one that a driver crashes on
    #[arg(long, short)]
    pub verbose: bool,
    /// Add the sizes that take a software adapter seconds each
    #[arg(long)]
    pub large: bool,
    /// Only cases whose kernel, form or name has this in it, such as conv2d or cooperative
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// Which limits a plan has to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// the adapter's own
    Adapter,
    /// those that every WebGPU adapter has
    Default,
}

#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The limits to plan for
    #[arg(long, value_enum, default_value_t = Limits::Adapter)]
    pub limits: Limits,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Steps to measure, after one that compiles the kernels; with --data, batches to load
    #[arg(long, default_value_t = 5)]
    pub steps: u32,
    /// Measure the loading of this folder's pictures at --size in batches of --batch-size, without any adapter
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// With --data: memory for decoded pictures, in MiB; see `wgvae train`
    #[arg(long, value_name = "MIB", requires = "data")]
    pub cache: Option<u64>,
    /// With --data: decode every picture, and keep none on disk; see `wgvae train`
    #[arg(long, requires = "data")]
    pub no_cache: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Steps to time, after as many that are not timed
    #[arg(long, default_value_t = 3)]
    pub steps: u32,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Write every dispatch, and what the host did meanwhile, to this .json file for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    /// Time by waiting for every dispatch, as where the adapter has no timestamps
    #[arg(long)]
    pub host_clock: bool,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Decode every picture of a folder and report what a training would see
    Check {
        /// The folder
        folder: PathBuf,
        /// Seed of the split that is drawn if the folder has none
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Which folders are for what: auto, draw, or train=FOLDER,validation=FOLDER,test=FOLDER; see `wgvae train`
        #[arg(long, default_value_t, value_name = "FOLDERS")]
        splits: Splits,
        /// Leave out files and folders of this name or pattern; may be given several times
        #[arg(long, value_name = "GLOB")]
        exclude: Vec<String>,
        /// Take files and folders of this name or pattern, whatever they look like; may be given several times
        #[arg(long, value_name = "GLOB")]
        include: Vec<String>,
    },
    /// Write the built-in landscapes as PNG files, with their factors
    Synth {
        /// A new or empty folder
        out: PathBuf,
        /// How many
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Edge in pixels
        #[arg(long, default_value_t = 256)]
        size: u32,
        /// Of all of them
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// A contact sheet: pictures as the model gets to see them
    Sheet {
        /// A folder of pictures [default: the built-in landscapes]
        folder: Option<PathBuf>,
        /// The sheet's file, .png, .jpg (quality 95) or .webp (lossless)
        /// [default: samples/sheet_FOLDER_seed_SEED.png]
        #[arg(long, short)]
        out: Option<PathBuf>,
        /// How many
        #[arg(long, default_value_t = 36)]
        count: usize,
        /// Edge in pixels
        #[arg(long, default_value_t = 128)]
        size: u32,
        /// How pictures become square: stretch or cover
        #[arg(long, default_value_t = Resize::Stretch)]
        resize: Resize,
        /// Of the landscapes, and of the choice
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        force: ForceArgs,
    },
}
