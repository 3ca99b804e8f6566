//! Flags of the commands about files of models and runs, and about the program itself.

use std::path::PathBuf;

use clap::Args;

use super::{AdapterArgs, ForceArgs, JsonArgs};

#[derive(Debug, Clone, Args)]
pub struct ConvertArgs {
    /// A file of PyTorch or Lightning (.pth, .ckpt) that holds the model anywhere, a .safetensors file, a run, or builtin
    #[arg(value_name = "IN", value_parser = super::model())]
    pub from: PathBuf,
    /// The .safetensors file; its tensors have PyTorch's names, for load_state_dict. Priors go into files beside it
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE", required_unless_present = "to")]
    pub out: Option<PathBuf>,
    /// The file, as earlier versions took it
    #[arg(hide = true, conflicts_with = "out")]
    pub to: Option<PathBuf>,
    /// Store the parameters, and those of the flow, in 16 bits: half the size
    #[arg(long)]
    pub half: bool,
    #[command(flatten)]
    pub force: ForceArgs,
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Folder of the run
    pub run: PathBuf,
    /// Least number of steps to recompute [default: the steps since the last checkpoint but one]
    #[arg(long)]
    pub steps: Option<u64>,
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Command whose page to show [default: the page of the program]
    #[arg(value_name = "COMMAND")]
    pub page: Option<PathBuf>,
    /// Folder for the pages of all commands, one file each
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
}
