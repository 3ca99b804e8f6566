//! Flags of `wgvae watch`, and of `train --watch`.

use std::path::PathBuf;

use clap::Args;

use super::ForceArgs;

#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Run to follow, or folder of runs to compare [default: runs]
    #[arg(value_name = "RUN|FOLDER")]
    pub path: Option<PathBuf>,
    /// Port on 127.0.0.1 [default: 8080, or a free one]
    #[arg(long, conflicts_with = "export")]
    pub port: Option<u16>,
    /// Write the page with all curves and some of the pictures to this file, and serve nothing
    #[arg(long, visible_alias = "output", short = 'o', value_name = "FILE.html")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}

/// The page of a training.
#[derive(Debug, Clone, Default, Args)]
pub struct TrainWatchArgs {
    /// Serve a page on 127.0.0.1 that follows this training and compares it with the other runs, as `wgvae watch` does
    #[arg(long)]
    pub watch: bool,
    /// With --watch: port of the page [default: 8080, or a free one]
    #[arg(long, requires = "watch")]
    pub port: Option<u16>,
}
