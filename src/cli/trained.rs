//! Flags of the commands that use a trained model.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use wgvae::config::FlowSize;
use wgvae::data::{ColourRule, Resize};
use wgvae::generate::builtin::{self, BUILTIN};
use wgvae::model::flow::FlowSampling;

use super::{AdapterArgs, ForceArgs, JsonArgs};

/// Reads the path of a model; `builtin` becomes that of the model that comes with the program.
pub(super) fn model() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(builtin::resolved)
}

/// Enlarged pictures.
#[derive(Debug, Clone, Args)]
pub struct ScaleArgs {
    /// Enlarge the pictures by this factor; each pixel becomes a square
    #[arg(long, default_value_t = 1, value_name = "FACTOR", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub scale: u32,
}

#[derive(Debug, Clone, Args)]
pub struct SampleArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file; builtin is the model that comes with the program
    #[arg(default_value = BUILTIN, value_parser = model())]
    pub model: PathBuf,
    /// Number of samples; with --each-class of each row
    #[arg(long, default_value_t = 16)]
    pub count: u32,
    /// Seed of the latents. Sample i depends on the seed and on i only
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Prior: flow or fitted (the results of fit-prior beside the model), normal (N(0, I)), the file of a prior, or auto:
    /// the first of these that there is
    #[arg(long, default_value = "auto", value_name = "PRIOR")]
    pub prior: String,
    /// Class to draw, from a prior that was fitted with --classes
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Draw --count pictures of each class, a row for each
    #[arg(long, conflicts_with = "class")]
    pub each_class: bool,
    /// Weight of the class in a flow: 1 for variety, 3 for the most typical pictures
    #[arg(long, default_value_t = FlowSampling::GUIDANCE, allow_negative_numbers = true)]
    pub guidance: f32,
    /// Steps of the flow, two evaluations of its network each
    #[arg(long, default_value_t = FlowSampling::STEPS, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Standard deviation of the latents, relative to the prior: less than 1 for less variety, more than 1 for more
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub temperature: f32,
    /// File of the grid: .png, .jpg (quality 95) or .webp (lossless); with --separate, the folder
    /// [default: samples/MODEL_sample_seed_SEED, with prior, temperature and count if they are not the defaults]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write one file per sample. Files of an earlier call in the folder are deleted
    #[arg(long)]
    pub separate: bool,
    #[command(flatten)]
    pub scale: ScaleArgs,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// A trained model, its adapter, and the way that pictures are made square.
#[derive(Debug, Clone, Args)]
pub struct TrainedArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file; builtin is the model that comes with the program
    #[arg(value_parser = model())]
    pub model: PathBuf,
    /// Fit to a square: stretch (change the aspect ratio) or cover (crop the centre) [default: as in training, else
    /// stretch]
    #[arg(long)]
    pub resize: Option<Resize>,
    /// Colours: srgb (converted to sRGB by the profiles of the files) or as-stored [default: as in training, else srgb]
    #[arg(long)]
    pub colour: Option<ColourRule>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ReconstructArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of pictures
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// File of the sheet: .png, .jpg (quality 95) or .webp (lossless); with --separate, the folder
    /// [default: samples/MODEL_reconstruct_IMAGES]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write one file per reconstruction, for any number of pictures. Files of an earlier call in the folder are deleted
    #[arg(long)]
    pub separate: bool,
    #[command(flatten)]
    pub scale: ScaleArgs,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct InterpolateArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// First picture
    pub from: PathBuf,
    /// Last picture
    pub to: PathBuf,
    /// Number of pictures, with the first and the last
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub steps: u32,
    /// Interpolate linearly [default: spherically]
    #[arg(long)]
    pub linear: bool,
    /// File of the strip: .png, .jpg (quality 95) or .webp (lossless) [default: samples/MODEL_interpolate_FROM_TO.png]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write an animation forwards and backwards, a .gif file beside the strip
    #[arg(long)]
    pub gif: bool,
    #[command(flatten)]
    pub scale: ScaleArgs,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct TraverseArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// A picture, to start from it [default: the mean of the prior]; or a folder of pictures, which rank the dimensions by
    /// their KL divergence [default: the pictures of fit-prior, else that picture], or for a spatial model give the principal
    /// directions [default: those of the fitted prior]; or both
    #[arg(value_name = "DATA", num_args = 0..=2)]
    pub images: Vec<PathBuf>,
    /// The folder, as earlier versions took it
    #[arg(long, value_name = "DATA", hide = true)]
    pub data: Option<PathBuf>,
    /// Number of dimensions, those with the largest KL divergence first; of a spatial model, of principal directions
    #[arg(long, default_value_t = 8)]
    pub dims: u32,
    /// Number of pictures per row
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub steps: u32,
    /// Largest distance in either direction, in standard deviations of the prior
    #[arg(long, default_value_t = 3.0)]
    pub range: f32,
    /// File of the sheet: .png, .jpg (quality 95) or .webp (lossless) [default: samples/MODEL_traverse_IMAGE.png]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write an animation forwards and backwards, a .gif file beside the sheet
    #[arg(long)]
    pub gif: bool,
    #[command(flatten)]
    pub scale: ScaleArgs,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct EncodeArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of pictures
    #[arg(required = true, value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// Output file: .safetensors or .csv (mu, logvar, names and classes), or .npy (mu)
    /// [default: MODEL_latents_DATA.safetensors]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct DecodeArgs {
    /// A run folder, a checkpoint folder, a .safetensors or a .pth file; builtin is the model that comes with the program
    #[arg(value_parser = model())]
    pub model: PathBuf,
    /// File of latents with shape [N, Z]: .safetensors (tensor z or mu), .npy or .csv
    pub latents: PathBuf,
    /// Folder for the pictures. Files of an earlier call in it are deleted [default: samples/MODEL_decode_LATENTS]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct FitPriorArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    #[command(flatten)]
    pub json: JsonArgs,
    /// Pictures, or folders of pictures; the training pictures of the model are best
    #[arg(required = true, value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// Numbers of Gaussians to try; the one with the best likelihood of held-out pictures is chosen [default:
    /// 1,2,4,8,16,32; with --flow 1]
    #[arg(long, value_delimiter = ',')]
    pub components: Option<Vec<usize>>,
    /// Fit a flow as well: a network that turns noise into latents. small: for CPUs; wide: for a GPU
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "small")]
    pub flow: Option<FlowSize>,
    /// Steps of the flow, 64 latents each; it ends earlier if the error of held-out latents turns [default: 1000 for
    /// small, 3500 for wide]
    #[arg(long, value_name = "STEPS", requires = "flow", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub flow_steps: Option<u64>,
    /// Fit a Gaussian for each class, the name of a picture's folder, and teach the flow the classes, for sample --class
    #[arg(long, conflicts_with = "components")]
    pub classes: bool,
    /// Seed of the fit
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The .safetensors file of the prior [default: prior.safetensors in the run or checkpoint, or beside the file]
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}
