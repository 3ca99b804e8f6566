//! What can be typed after the commands that use a trained model.

use std::path::PathBuf;

use clap::Args;
use wgvae::data::Resize;

use super::{AdapterArgs, ForceArgs};

#[derive(Debug, Clone, Args)]
pub struct SampleArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file
    pub model: PathBuf,
    /// How many pictures
    #[arg(long, default_value_t = 16)]
    pub count: u32,
    /// Picture i depends on the seed and i alone
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to draw from: normal (N(0, I)), fitted (what fit-prior left beside the model), or a prior's file
    #[arg(long, default_value = "normal", value_name = "PRIOR")]
    pub prior: String,
    /// Standard deviation of the draws: below 1 plainer, above 1 wilder
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub temperature: f32,
    /// The grid's file, .png, .jpg (quality 95) or .webp (lossless), or with --separate the folder
    /// [default: samples/MODEL_sample_seed_SEED, with prior, temperature and count where they are not the usual]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Write every picture to a file of its own; what an earlier call left in the folder goes
    #[arg(long)]
    pub separate: bool,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// A trained model, how pictures become square for it, and where to compute.
#[derive(Debug, Clone, Args)]
pub struct TrainedArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file
    pub model: PathBuf,
    /// How pictures become square: stretch, or cover (crop the middle) [default: as the run was trained, or stretch]
    #[arg(long)]
    pub resize: Option<Resize>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ReconstructArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of them
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// The sheet's file, .png, .jpg (quality 95) or .webp (lossless), or with --separate the folder
    /// [default: samples/MODEL_reconstruct_IMAGES]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Write every reconstruction to a file of its own, for folders of any length; what an earlier call left there goes
    #[arg(long)]
    pub separate: bool,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct InterpolateArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// The picture to begin with
    pub from: PathBuf,
    /// The picture to end with
    pub to: PathBuf,
    /// Pictures of the way, both ends included
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub steps: u32,
    /// Go along the straight line, and not along the arc
    #[arg(long)]
    pub linear: bool,
    /// The strip's file, .png, .jpg (quality 95) or .webp (lossless) [default: samples/MODEL_interpolate_FROM_TO.png]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Write a film there and back too, beside the strip: the same name with .gif
    #[arg(long)]
    pub gif: bool,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct TraverseArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// The picture to start from [default: the middle of the prior]
    pub image: Option<PathBuf>,
    /// Pictures to measure each dimension's divergence on [default: those that a prior was fitted to, else
    /// IMAGE]
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// How many dimensions, those with the highest divergence
    #[arg(long, default_value_t = 8)]
    pub dims: u32,
    /// Pictures of a row
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub steps: u32,
    /// From minus to plus so many standard deviations of the prior
    #[arg(long, default_value_t = 3.0)]
    pub range: f32,
    /// The sheet's file, .png, .jpg (quality 95) or .webp (lossless) [default: samples/MODEL_traverse_IMAGE.png]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// Write a film there and back too, beside the sheet: the same name with .gif
    #[arg(long)]
    pub gif: bool,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct EncodeArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// The file: .safetensors (mu, logvar, names and classes), .csv (the same) or .npy (mu)
    /// [default: MODEL_latents_DATA.safetensors]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct FitPriorArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of them: best those that the model was trained on
    #[arg(required = true, value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// Numbers of Gaussians to try; held-out pictures decide
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16,32")]
    pub components: Vec<usize>,
    /// Of the draws and the starts
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The prior's .safetensors file [default: prior.safetensors in the run or checkpoint, or beside the file]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of them, that the model was not trained on [default: built-in landscapes of a seed that
    /// is kept for this]
    #[arg(value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// Without DATA: how many landscapes [default: 1000]
    #[arg(long, value_name = "PICTURES", conflicts_with = "images", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub landscapes: Option<u32>,
    /// Draws of the importance-weighted bound
    #[arg(long, default_value_t = 16, value_name = "DRAWS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub iwae: u32,
    /// Samples drawn for the distance to the pictures [default: as many as pictures, at least 200]
    #[arg(long)]
    pub samples: Option<u32>,
    /// Of all draws
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Write a page with all of it and the best, the worst and sampled pictures: one .html file, without scripts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// A folder for one page per command [default: print the program's own page]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct DecodeArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file
    pub model: PathBuf,
    /// A .safetensors (z or mu), .npy or .csv file of [N, Z]
    pub latents: PathBuf,
    /// The folder for the pictures; what an earlier call left there goes [default: samples/MODEL_decode_LATENTS]
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}
