//! What can be typed after the commands that make a page.

use std::path::PathBuf;

use clap::Args;

use super::TrainedArgs;

/// A page of a trained model.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// Store the parameters in 16 bits: half the size, and the error is measured, printed and written down
    #[arg(long)]
    pub half: bool,
    /// The density that samples are drawn from and sliders follow: a prior's file, or normal for N(0, I) alone
    /// [default: what fit-prior left beside the model, if anything]
    #[arg(long, value_name = "PRIOR")]
    pub prior: Option<String>,
    /// Pictures to measure each dimension's divergence on, for the order of the sliders [default: those that a prior
    /// was fitted to]
    #[arg(long, value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// What the page calls the model [default: the name of MODEL]
    #[arg(long)]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct ExportWebArgs {
    #[command(flatten)]
    pub page: PageArgs,
    /// The folder: new, empty, or of an earlier export
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Write into a folder that holds something else too
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
pub struct WebArgs {
    #[command(flatten)]
    pub page: PageArgs,
    /// The port on 127.0.0.1 [default: 8080, or a free one]
    #[arg(long)]
    pub port: Option<u16>,
}
