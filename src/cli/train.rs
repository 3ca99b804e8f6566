//! What can be typed after `wgvae train`, and written into its configuration file.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use wgvae::checkpoint::Keep;
use wgvae::config::{BetaSchedule, LossKind, LrSchedule};
use wgvae::data::{Resize, Rules, Splits};

use super::{Precision, Preset, Resident, TuningArgs};

/// Headings of `wgvae train --help`.
const OBJECTIVE: &str = "What is minimised";
const OPTIMIZER: &str = "How it is minimised";
const VARIED: &str = "Variety of the training pictures";
const FOLDER: &str = "Which pictures of the folder";

#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Folder of pictures: with folders for training, validation and test (`train`, `seg_test`, `Validation Data`), or
    /// class folders, or just pictures
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub settings: TrainSettings,
    /// Take settings from this TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub resume: ResumeArgs,
    #[command(flatten)]
    pub tuning: TuningArgs,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// Go on with a run from its newest whole checkpoint: a run's folder or name, or without RUN the one called --name, or
    /// the newest. With an older checkpoint as RUN, a new run goes on from it; with a FILE.pth, one that goes on from
    /// PyTorch's dictionary of a model and its Adam optimizer
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// With --resume: go on with other training pictures than the run's
    #[arg(long, requires = "resume")]
    pub new_data: bool,
    /// With --resume: compute the schedules of the learning rate and of beta anew over all --epochs, which may make them
    /// jump; without it they go on from where they are
    #[arg(long, requires = "resume")]
    pub reschedule: bool,
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
    /// Mirror training pictures left to right, each with even odds, anew in every step
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        help_heading = VARIED)]
    pub flip: Option<bool>,
    /// Cut up to this share off each training picture's edges and enlarge the rest, such as 0.1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = VARIED)]
    pub crop: Option<f64>,
    /// Change each training picture's brightness, contrast and saturation by up to this share, such as 0.1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = VARIED)]
    pub jitter: Option<f64>,
    /// Which folders are for what: auto (by their names), draw (the seed draws among all pictures), or
    /// train=FOLDER,validation=FOLDER,test=FOLDER with folders or patterns from DATA [default: auto]
    #[arg(long, value_name = "FOLDERS", help_heading = FOLDER)]
    pub splits: Option<Splits>,
    /// Leave out files and folders of this name, or of this path from DATA; * and ? stand for any letters. May be
    /// given several times
    #[arg(long, value_name = "GLOB", help_heading = FOLDER)]
    pub exclude: Option<Vec<String>>,
    /// Take files and folders of this name or path, though they look like previews, copies, masks or what systems
    /// keep. May be given several times
    #[arg(long, value_name = "GLOB", help_heading = FOLDER)]
    pub include: Option<Vec<String>>,
    /// By which version's rules the pictures were found and divided: set by a new run, which keeps to them
    #[arg(skip)]
    pub folder_rules: Option<Rules>,
    /// Write a checkpoint every so many steps, besides the one at the end of each epoch
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<u64>,
    /// Which checkpoints stay besides the best: the newest so many, few (the last 3 epochs' and 2 within one), or all of
    /// them [default: few]
    #[arg(long, value_name = "CHECKPOINTS")]
    pub keep: Option<Keep>,
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
    /// Hold decoded pictures in so many MiB of memory; the rest is read from disk every epoch [default: only those that the
    /// cache on disk does not hold, in 2048, or half of what is free if that is less]
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
    /// high-performance, low-power, software, a number from `wgvae adapters`, or a part of a name such as 3060
    #[arg(long, value_name = "WHICH")]
    pub adapter: Option<String>,
    /// Only this back end: vulkan, metal or dx12
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
}
