//! Flags of the commands for web pages.

use std::path::PathBuf;

use clap::Args;
use wgvae::model::flow::FlowSampling;

use super::TrainedArgs;

/// A web page of a trained model.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Store the parameters in 16 bits: half the size. The error is measured, printed and written to the page
    #[arg(long)]
    pub half: bool,
    /// Prior of samples and sliders: flow or fitted (the results of fit-prior beside the model), normal (N(0, I)), the
    /// file of a prior, or auto: the first of these that there is. With a flow, the sliders take the fitted prior beside
    /// the model
    #[arg(long, default_value = "auto", value_name = "PRIOR")]
    pub prior: String,
    /// Steps of the flow, two evaluations of its network each
    #[arg(long, default_value_t = FlowSampling::STEPS, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Weight of the class, for a flow that was fitted with --classes: 1 for variety, 3 for the most typical pictures
    #[arg(long, default_value_t = FlowSampling::GUIDANCE)]
    pub guidance: f32,
    /// Pictures, or folders of pictures, that rank the dimensions by their KL divergence, for the order of the sliders
    /// [default: the pictures of fit-prior]
    #[arg(value_name = "DATA")]
    pub images: Vec<PathBuf>,
    /// DATA, as earlier versions took it
    #[arg(long, value_name = "DATA", hide = true)]
    pub data: Option<PathBuf>,
    /// Title of the page [default: name of the model]
    #[arg(long)]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct ExportWebArgs {
    #[command(flatten)]
    pub page: PageArgs,
    /// Folder for the page: new, empty, or with an earlier export. Without this flag the last DATA is that folder, as in
    /// earlier versions
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Write into a folder that has other files
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
pub struct WebArgs {
    #[command(flatten)]
    pub page: PageArgs,
    /// Port on 127.0.0.1 [default: 8080, or a free one]
    #[arg(long)]
    pub port: Option<u16>,
}
