//! The command line: what can be typed, and what `--help` says.

mod trained;
mod web;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use wgvae::config::{BetaSchedule, LossKind, LrSchedule};
use wgvae::data::Resize;
use wgvae::gpu::Element;

pub use trained::*;
pub use web::*;

/// Train a variational autoencoder on your own photographs, on any GPU.
#[derive(Debug, Parser)]
#[command(name = "wgvae", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// Headings of `wgvae train --help`.
const OBJECTIVE: &str = "What is minimised";
const OPTIMIZER: &str = "How it is minimised";
const VARIED: &str = "Variety of the training pictures";

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
    /// high-performance, low-power, software, a number from `wgvae adapters`, or part of a name
    #[arg(long, value_name = "WHICH")]
    pub adapter: Option<String>,
    /// Only this back end: vulkan, metal or dx12
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
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
    /// Write the choices to this file too, for --tuning
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Folder of pictures: with Training Data, Validation Data and Testing Data, or train, val and test, or
    /// class folders, or just pictures
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub settings: TrainSettings,
    /// Take settings from this TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go on with the run called --name, or the newest one, from its newest whole checkpoint. With
    /// --resume=FILE.pth begin a run that goes on from PyTorch's dictionary of a model and its Adam optimizer
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub tuning: TuningArgs,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Everything that a configuration file may set.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainSettings {
    /// Set by DATA
    #[arg(skip)]
    pub data: Option<PathBuf>,
    /// Sizes to start from; the flags below change single ones [default: reference with DATA, else demo]
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
    /// Passes over the training pictures [default: 10]
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Adam's learning rate [default: 1e-3]
    #[arg(long, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Weight of the KL divergence in the loss [default: 0.2]
    #[arg(long, allow_negative_numbers = true)]
    pub beta: Option<f64>,
    /// Of the initial weights, the shuffling and all draws: same seed, same adapter, same bits [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// How pictures become square: stretch, or cover (crop the middle) [default: stretch]
    #[arg(long)]
    pub resize: Option<Resize>,
    /// In how many bits activations and their gradients are kept: f32, or f16 where the adapter has it [default: f32]
    #[arg(long, hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// What a pixel's error costs: bce (cross-entropy), mse, l1, or continuous-bernoulli; each in nats [default: bce]
    #[arg(long, help_heading = OBJECTIVE)]
    pub loss: Option<LossKind>,
    /// Width of mse's Gaussian and of l1's Laplace distribution, pixels being 0 to 1: the smaller, the more the
    /// pixels weigh against KL [default: 0.1]
    #[arg(long, allow_negative_numbers = true, help_heading = OBJECTIVE)]
    pub sigma: Option<f64>,
    /// How beta changes: constant, linear (from 0), cyclical (several ramps), or capacity (beta |KL - C|, C growing)
    /// [default: constant]
    #[arg(long, value_name = "COURSE", help_heading = OBJECTIVE)]
    pub beta_schedule: Option<BetaSchedule>,
    /// Epochs in which beta, or C, grows [default: half of them; with cyclical all]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true, help_heading = OBJECTIVE)]
    pub beta_epochs: Option<f64>,
    /// Ramps of the cyclical course [default: 4]
    #[arg(long, value_name = "RAMPS", help_heading = OBJECTIVE)]
    pub beta_cycles: Option<u32>,
    /// What C of the capacity course grows to, in nats per picture [default: 25]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true, help_heading = OBJECTIVE)]
    pub capacity: Option<f64>,
    /// KL that costs nothing, per dimension and picture, against dimensions that die [default: 0]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true, help_heading = OBJECTIVE)]
    pub free_bits: Option<f64>,
    /// Weight of the discrepancy (MMD) between each batch's latents and the prior, in nats per picture; with --beta 0
    /// a Wasserstein auto-encoder, for which 1000 is a start [default: 0]
    #[arg(long, value_name = "LAMBDA", allow_negative_numbers = true, help_heading = OBJECTIVE)]
    pub mmd: Option<f64>,
    /// How the learning rate changes: constant, cosine (down to 0), or plateau (halved whenever the validation loss
    /// has not fallen for 3 epochs) [default: constant]
    #[arg(long, value_name = "COURSE", help_heading = OPTIMIZER)]
    pub lr_schedule: Option<LrSchedule>,
    /// Steps in which the learning rate grows to its full size [default: 0]
    #[arg(long, value_name = "STEPS", help_heading = OPTIMIZER)]
    pub warmup: Option<u64>,
    /// Shorten gradients to this norm, all parameters together, per picture
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub clip_norm: Option<f64>,
    /// AdamW's decay: the share of each parameter that a step takes away, in learning rates [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub weight_decay: Option<f64>,
    /// Keep a running average of the parameters with this decay, such as 0.999, and let it be the model
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub ema: Option<f64>,
    /// End after so many epochs in a row without a lower validation loss
    #[arg(long, value_name = "EPOCHS", help_heading = OPTIMIZER)]
    pub patience: Option<u32>,
    /// Mirror every other training picture, left to right
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        help_heading = VARIED)]
    pub flip: Option<bool>,
    /// Cut up to this share off each training picture's edges and enlarge the rest, such as 0.1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = VARIED)]
    pub crop: Option<f64>,
    /// Change each training picture's brightness, contrast and saturation by up to this share, such as 0.1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = VARIED)]
    pub jitter: Option<f64>,
    /// Write a checkpoint every so many steps, besides the one at the end of each epoch
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<u64>,
    /// Keep only the newest so many checkpoints, and the best one [default: one per epoch, and two within one]
    #[arg(long, value_name = "CHECKPOINTS")]
    pub keep: Option<u32>,
    /// Start from the parameters of this model: a run, a checkpoint folder, a .safetensors or a .pth file
    #[arg(long, value_name = "MODEL")]
    pub init: Option<PathBuf>,
    /// Name of the run [default: the data folder's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Where runs are kept [default: runs]
    #[arg(long, value_name = "FOLDER")]
    pub runs: Option<PathBuf>,
    /// Where pictures go besides the run's folder [default: samples]
    #[arg(long, value_name = "FOLDER")]
    pub samples: Option<PathBuf>,
    /// Memory for decoded pictures, in MiB; the rest is read from disk every epoch [default: 2048]
    #[arg(long, value_name = "MIB")]
    pub cache: Option<u64>,
    /// Keep the training pictures on the GPU instead of uploading each batch: auto (where they fit), yes or no
    #[arg(long, value_name = "WHEN")]
    pub resident: Option<Resident>,
    /// Decode every picture, and keep none on disk for the next run. Without this they are kept, up to 8 GiB,
    /// in the user's cache folder, or in the one that the variable WGVAE_CACHE_DIR names
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_cache: Option<bool>,
    /// Without DATA: how many landscapes to make [default: 2048]
    #[arg(long, value_name = "PICTURES")]
    pub landscapes: Option<usize>,
    /// high-performance, low-power, software, a number from `wgvae adapters`, or part of a name
    #[arg(long, value_name = "WHICH")]
    pub adapter: Option<String>,
    /// Only this back end: vulkan, metal or dx12
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
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
    /// Print every case, not only each kernel's worst
    #[arg(long, short)]
    pub verbose: bool,
    /// Add the sizes that take a software adapter seconds each
    #[arg(long)]
    pub large: bool,
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
    /// With --data: memory for decoded pictures, in MiB; the rest is read from disk every epoch
    #[arg(long, value_name = "MIB", default_value_t = 2048, requires = "data")]
    pub cache: u64,
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
    /// Write every dispatch, and what the host did meanwhile, to this file for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
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
        /// Of the split that is made where there is none
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Write the built-in landscapes as PNG files, with their factors
    Synth {
        /// A new folder
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
        /// The sheet's file
        #[arg(long, short, default_value = "samples/sheet.png")]
        out: PathBuf,
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
    },
}
