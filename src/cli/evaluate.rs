//! Flags of `wgvae evaluate`.

use std::path::PathBuf;

use clap::Args;
use wgvae::evaluate::FEATURE_STEPS;

use super::{ForceArgs, JsonArgs, TrainedArgs};

#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Pictures, or folders of pictures, that the model was not trained on [default: the test pictures of the model's run,
    /// else its validation pictures, else built-in landscapes with a reserved seed]
    #[arg(value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// Evaluate on this number of built-in landscapes with a reserved seed [default: 1000 if there are no other pictures]
    #[arg(long, value_name = "PICTURES", conflicts_with = "images", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub landscapes: Option<u32>,
    /// Number of draws of the importance-weighted bound
    #[arg(long, default_value_t = 16, value_name = "DRAWS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub iwae: u32,
    /// Number of samples for the distances and the likeness to the pictures [default: the number of pictures, at least 200]
    #[arg(long)]
    pub samples: Option<u32>,
    /// Measure no Frechet distance, precision and recall, and train no feature network for them
    #[arg(long)]
    pub no_features: bool,
    /// Steps of the feature network, 32 pictures each; figures compare for equal steps only
    #[arg(long, default_value_t = FEATURE_STEPS, value_name = "STEPS", conflicts_with = "no_features", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub feature_steps: u32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub json: JsonArgs,
    /// Write a report with the best, the worst and sampled pictures: one .html file without scripts
    #[arg(long = "output", visible_alias = "html", short = 'o', value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}
