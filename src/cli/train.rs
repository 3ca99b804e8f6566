//! Flags of `wgvae train`. [`TrainSettings`] are also the keys of its configuration files.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use wgvae::checkpoint::Keep;
use wgvae::config::{BetaSchedule, Element, FlowSize, LossKind, LrSchedule, Sigma, TimeLimit};
use wgvae::data::{ColourRule, Resize, Rules, Splits};
use wgvae::train::Sharing;

use super::{AdapterArgs, ModelArgs, TrainWatchArgs, TuningArgs};

/// The help of DATA, with the formats that are read.
static DATA_HELP: LazyLock<String> = LazyLock::new(|| {
    format!(
        "Folder of pictures ({}): with folders for training, validation and test (`train`, `seg_test`, `Validation \
         Data`), with one folder per class, or with pictures [default: built-in landscapes]",
        wgvae::data::readable_formats()
    )
});

#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    #[arg(help = DATA_HELP.as_str())]
    pub data: Option<PathBuf>,
    /// TOML file with settings, whose keys are the flags; flags override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub resume: ResumeArgs,
    #[command(flatten)]
    pub tuning: TuningArgs,
    /// Train once for each of these values, one run after the other: KEY is a flag, such as beta=0.05,0.2,1. Can be repeated
    /// for all combinations. Called again, it skips finished runs and continues the others
    #[arg(long, value_name = "KEY=VALUES", conflicts_with = "resume")]
    pub sweep: Vec<String>,
    /// Report what the training would do, with its time and memory, and train nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub watch: TrainWatchArgs,
    // last, because its headings would apply to the flags after it
    #[command(flatten)]
    pub settings: TrainSettings,
}

#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// Resume a run from its newest undamaged checkpoint. RUN is the folder or name of a run [default: --name, else the
    /// newest run]. If RUN is an older checkpoint, a new run continues from it. If RUN is a FILE.pth or .ckpt with a model and
    /// its Adam optimizer from PyTorch, a new run continues that training
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// With --resume: accept training pictures that differ from those of the run
    #[arg(long, requires = "resume")]
    pub new_data: bool,
    /// With --resume and another --epochs: recompute the schedules of the learning rate and of beta over all epochs, which
    /// may change their values abruptly. Without this flag they continue from their current values
    #[arg(long, requires = "resume")]
    pub reschedule: bool,
}

/// All settings of a training that were given; a configuration file has these keys.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct TrainSettings {
    #[command(flatten)]
    #[serde(flatten)]
    pub adapter: AdapterArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub objective: ObjectiveArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub optimizer: OptimizerArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub augment: AugmentArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub prior: PriorArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub ranks: RanksArgs,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Objective")]
pub struct ObjectiveArgs {
    /// Likelihood of a pixel: bce (binary cross-entropy), mse (Gaussian of fixed width), l1 (Laplace), continuous-bernoulli,
    /// or gaussian (Gaussian of the width that fits each batch best); losses are in nats [default: bce; gaussian with
    /// --model spatial]
    #[arg(long, value_name = "LIKELIHOOD")]
    pub loss: Option<LossKind>,
    /// Standard deviation of the Gaussian of mse, or scale of the Laplace distribution of l1, for pixels from 0 to 1. A
    /// smaller value gives the reconstruction more weight against the KL divergence [default: 0.1]. With --loss gaussian:
    /// common (the best width of a batch, for all channels), channel (one for each) or learned (a parameter) [default:
    /// common]
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<Sigma>,
    /// Weight of the KL divergence in the loss [default: 0.2; 1 for a spatial model]
    #[arg(long, allow_negative_numbers = true)]
    pub beta: Option<f64>,
    /// Schedule of beta: constant, linear (ramp from 0), cyclical (several ramps), or capacity (beta |KL - C| with a ramp
    /// of C), or auto (constant; in fewer than 1,500 steps a ramp over the first 30 %) [default: constant; auto for a spatial
    /// model]
    #[arg(long, value_name = "SCHEDULE")]
    pub beta_schedule: Option<BetaSchedule>,
    /// Length of the ramps of beta, or of C, in epochs [default: half of --epochs; all of them with cyclical]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true)]
    pub beta_epochs: Option<f64>,
    /// Number of ramps of the cyclical schedule [default: 4]
    #[arg(long, value_name = "RAMPS")]
    pub beta_cycles: Option<u32>,
    /// Final C of the capacity schedule, in nats per picture [default: 25]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub capacity: Option<f64>,
    /// KL divergence per latent dimension and picture that is not penalised, in nats; it prevents posterior collapse
    /// [default: 0]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub free_bits: Option<f64>,
    /// Weight of the maximum mean discrepancy between a batch's latents and the prior, in nats per picture. With --beta 0
    /// the model is a Wasserstein autoencoder; 1000 is a first value for it [default: 0]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    pub mmd: Option<f64>,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Optimizer")]
pub struct OptimizerArgs {
    /// Passes over the training pictures [default: 10]
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Learning rate of Adam [default: 1e-3]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Schedule of the learning rate: constant, cosine (to 0), or plateau (halved if the validation loss has not fallen
    /// for 3 epochs) [default: constant]
    #[arg(long, value_name = "SCHEDULE")]
    pub lr_schedule: Option<LrSchedule>,
    /// Linear warm-up of the learning rate, in steps [default: 0]
    #[arg(long, value_name = "STEPS")]
    pub warmup: Option<u64>,
    /// Clip the norm of the gradient of all parameters, per picture, to this value [default: no clipping]
    #[arg(long, value_name = "NORM", allow_negative_numbers = true)]
    pub clip_norm: Option<f64>,
    /// Decoupled weight decay of AdamW, as a factor of the learning rate [default: 0]
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,
    /// Decay of an exponential moving average of the parameters, such as 0.999, which is then the model
    /// [default: no average]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    pub ema: Option<f64>,
    /// Stop after this number of epochs in a row without a lower validation loss [default: never]
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u32>,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentArgs {
    /// Mirror training pictures left to right with probability 1/2 [default: true for a spatial model of photographs, else
    /// false]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub flip: Option<bool>,
    /// Crop training pictures randomly by up to this share of their edges, such as 0.1 [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub crop: Option<f64>,
    /// Change the brightness, contrast and saturation of training pictures randomly by up to this share, such as 0.1
    /// [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub jitter: Option<f64>,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Set by DATA
    #[arg(skip)]
    pub data: Option<PathBuf>,
    /// Split: auto (by the names of folders), draw (random, by the seed), or
    /// train=FOLDER,validation=FOLDER,test=FOLDER with folders or patterns of DATA [default: auto]
    #[arg(long, value_name = "FOLDERS")]
    pub splits: Option<Splits>,
    /// Leave out files and folders of this name, or of this path from DATA; * and ? match any letters. Can be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Option<Vec<String>>,
    /// Use files and folders of this name or path that are left out by default: previews, copies, masks, files of the
    /// system. Can be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Option<Vec<String>>,
    /// Version of the rules that find and split the pictures; a new run sets it, and keeps it
    #[arg(skip)]
    pub folder_rules: Option<Rules>,
    /// Fit to a square: stretch (change the aspect ratio) or cover (crop the centre) [default: stretch]
    #[arg(long)]
    pub resize: Option<Resize>,
    /// Colours: srgb (converted to sRGB by the profiles of the files, as viewers show them) or as-stored (profiles have no
    /// effect) [default: srgb]
    #[arg(long)]
    pub colour: Option<ColourRule>,
    /// Memory for decoded pictures, in MiB; the others are read from disk in every epoch [default: 2048, or half of the
    /// free memory if that is less, for the pictures that the cache on disk does not hold]
    #[arg(long, value_name = "MIB")]
    pub cache: Option<u64>,
    /// Do not use the cache of decoded pictures on disk. It holds up to 8 GiB in the user's cache folder, or in the folder
    /// of the variable WGVAE_CACHE_DIR [default: false]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_cache: Option<bool>,
    /// Keep the training pictures in GPU memory instead of uploading each batch: auto, yes or no [default: auto]
    #[arg(long, value_name = "WHEN")]
    pub resident: Option<Resident>,
    /// Without DATA: number of built-in landscapes [default: 2048]
    #[arg(long, value_name = "PICTURES")]
    pub landscapes: Option<usize>,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Seed of the initial weights, the shuffling, the random draws and the split. The same seed gives the same bits on
    /// the same adapter [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Start from the parameters of this model: a run, a checkpoint folder, a .safetensors or a .pth file
    /// [default: random parameters]
    #[arg(long, value_name = "MODEL")]
    pub init: Option<PathBuf>,
    /// Name of the run [default: name of the data folder]
    #[arg(long)]
    pub name: Option<String>,
    /// Folder of the runs [default: runs]
    #[arg(long, value_name = "FOLDER")]
    pub runs: Option<PathBuf>,
    /// Folder for copies of the sample grids [default: samples]
    #[arg(long, value_name = "FOLDER")]
    pub samples: Option<PathBuf>,
    /// Write a checkpoint after this number of steps, in addition to one at the end of each epoch [default: only at the
    /// end of each epoch]
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<u64>,
    /// Checkpoints to keep in addition to the best one: a number of newest ones, best (only the newest one), few (the last 3
    /// at the end of an epoch and the last 2 within one), or all [default: few]
    #[arg(long, value_name = "CHECKPOINTS")]
    pub keep: Option<Keep>,
    /// End with a checkpoint after this time, such as 90m, 8h or 1h30m, from the start of the command; --resume continues
    /// [default: no limit]
    #[arg(long, value_name = "TIME")]
    pub max_time: Option<TimeLimit>,
    /// End with a checkpoint when the run has this number of steps; --resume with a larger number continues. The schedules
    /// remain those of --epochs [default: no limit]
    #[arg(long, value_name = "STEPS")]
    pub max_steps: Option<u64>,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Prior")]
pub struct PriorArgs {
    /// Distribution of the latents to draw samples from, fitted after the last epoch: normal (N(0, I), nothing to fit),
    /// gaussian, flow (a network that turns noise into latents), or auto: for --model spatial flow, without
    /// DATA gaussian; for the reference normal
    /// [default: auto]
    #[arg(long, value_name = "PRIOR")]
    pub prior: Option<PriorKind>,
    /// Width of the flow: small or wide [default: small on a software adapter, else wide]
    #[arg(long, value_name = "SIZE")]
    pub flow: Option<FlowSize>,
    /// Steps of the flow, 64 latents each [default: as much work as the training]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub flow_steps: Option<u64>,
}

/// The distribution of the latents that samples are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriorKind {
    /// for spatial models a flow, without DATA Gaussians; for the reference N(0, I)
    #[default]
    Auto,
    /// N(0, I)
    Normal,
    /// a Gaussian, or one for each class
    Gaussian,
    /// that, and a flow if it is better
    Flow,
}

#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Several processes (mpirun)")]
pub struct RanksArgs {
    /// Division of each batch among the processes: even, or auto (by the pictures per second of each, measured in every
    /// epoch for the next) [default: even]
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub share: Option<Sharing>,
    /// Type of the gradients that processes exchange: f32, or f16 (half of the bytes; rounding errors are added to the
    /// next step's) [default: f32]
    #[arg(long, value_name = "TYPE", hide_possible_values = true)]
    pub sync_precision: Option<Element>,
    /// Processes that may share one adapter [default: 1]
    #[arg(long, value_name = "PROCESSES", value_parser = clap::value_parser!(u32).range(1..))]
    pub ranks_per_adapter: Option<u32>,
}

/// Whether the training pictures stay in GPU memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resident {
    /// on a GPU, if they fit into 1 GiB and one binding; not on a software adapter, which has no memory of its own
    #[default]
    Auto,
    /// always; the training fails if they do not fit
    Yes,
    /// upload each batch
    No,
}
