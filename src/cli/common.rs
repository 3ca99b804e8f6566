//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use wgvae::config::{Architecture, Element, MicroBatch, Preset};

/// The adapter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct AdapterArgs {
    /// Adapter: high-performance, low-power, software, a number from `wgvae adapters`, or a part of its name such as
    /// 3060 [default: high-performance]
    #[arg(long, value_name = "WHICH")]
    pub adapter: Option<String>,
    /// Graphics API: vulkan, metal or dx12 [default: any]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
}

/// Overwriting.
#[derive(Debug, Clone, Default, Args)]
pub struct ForceArgs {
    /// Overwrite an existing file. Without this flag only an unchanged result of the same command is overwritten. Input
    /// files and the files of a run are never overwritten
    #[arg(long)]
    pub force: bool,
}

/// Results as JSON.
#[derive(Debug, Clone, Default, Args)]
pub struct JsonArgs {
    /// Print the result as one JSON document on standard output; progress and notes go to standard error
    #[arg(long)]
    pub json: bool,
}

/// Sizes of a model, and of its batches.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Sizes to start from; the flags for sizes override it [default: reference; demo for a training without DATA]
    #[arg(long)]
    pub preset: Option<Preset>,
    /// Width and height of the pictures in pixels, a multiple of 16 [default: from the preset]
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<u32>,
    /// Kind of network: reference, or spatial (latents on a grid, for sharper pictures) [default: from
    /// the preset, and reference if --size, --hidden and --latent are all given]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub model: Option<Architecture>,
    /// Channels after the first convolution; the next layers have 2, 4 and 8 times this number [default: from the preset]
    #[arg(long, value_name = "CHANNELS")]
    pub hidden: Option<u32>,
    /// Dimensions of the latent space; with --model spatial latent channels of each cell, a multiple of 4
    /// [default: from the preset]
    #[arg(long, value_name = "DIMENSIONS")]
    pub latent: Option<u32>,
    /// With --model spatial: cells along each edge of the grid of latents [default: an eighth of --size]
    #[arg(long, value_name = "CELLS")]
    pub grid: Option<u32>,
    /// Pictures per step [default: from the preset]
    #[arg(long, value_name = "PICTURES")]
    pub batch_size: Option<u32>,
    /// Pictures computed at once: a number, or auto for the largest one that fits. Gradients are accumulated over the
    /// batch [default: auto]
    #[arg(long, value_name = "PICTURES")]
    pub micro_batch: Option<MicroBatch>,
    /// Type of the activations and their gradients: f32, or f16 if the adapter supports it. Parameters, sums and the
    /// loss are always f32 [default: f32]
    #[arg(long, value_name = "TYPE", hide_possible_values = true)]
    pub precision: Option<Element>,
}

/// Configurations of the kernels.
#[derive(Debug, Clone, Default, Args)]
pub struct TuningArgs {
    /// Use the default kernel configurations: measure nothing, and ignore tuning results
    #[arg(long, conflicts_with = "tuning")]
    pub no_tune: bool,
    /// File with kernel configurations, such as the tuning.json of a run to reproduce its bits
    #[arg(long, value_name = "FILE")]
    pub tuning: Option<PathBuf>,
}
