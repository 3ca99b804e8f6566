//! Flags of the commands that inspect and measure adapters and kernels.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wgvae::config::{Element, TimeLimit};
use wgvae::distributed::Network;

use super::{AdapterArgs, ForceArgs, JsonArgs, ModelArgs, TuningArgs};

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct SelftestArgs {
    /// Print every case, not only the worst of each kernel. With RAYON_NUM_THREADS=1 in the environment the cases run one
    /// after the other, which identifies a case that crashes the driver
    #[arg(long, short)]
    pub verbose: bool,
    /// Add large sizes, which take a software adapter seconds each
    #[arg(long)]
    pub large: bool,
    /// Run only the cases with this text in their kernel, configuration or name, such as conv2d or cooperative
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// The limits for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// the limits of the adapter
    Adapter,
    /// the limits that every WebGPU adapter has
    Default,
}

#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Limits to plan for
    #[arg(long, value_enum, default_value_t = Limits::Adapter)]
    pub limits: Limits,
    /// Compile each kernel on the adapter, and run none: one line of JSON for each, in the order of the plan
    #[arg(long, conflicts_with = "limits")]
    pub compile: bool,
    /// Take the variant with this name, or the first one with this in its name, for all matrix products
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    #[command(flatten)]
    pub ranks: RankPlanArgs,
    // last, because its heading would apply to the flags after it
    #[command(flatten)]
    pub model: ModelArgs,
}

/// A training by several processes.
#[derive(Debug, Clone, Args)]
pub struct RankPlanArgs {
    /// Plan a training by this number of processes: what they exchange per step, and how long they wait for it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub ranks: Option<u32>,
    /// With --ranks: bandwidth of each process's connection, such as 10Gbit or 2GB/s, with its latency: 10Gbit,1ms
    #[arg(long, value_name = "NETWORK", default_value = "10Gbit,100us", requires = "ranks")]
    pub network: Network,
    /// With --ranks: time in which a process computes its part of a step, such as 250ms
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "ranks")]
    pub step_time: TimeLimit,
    /// With --ranks: type of the gradients that processes exchange, see `wgvae train`
    #[arg(long, value_name = "TYPE", default_value = "f32", requires = "ranks", hide_possible_values = true)]
    pub sync_precision: Element,
    /// With --ranks: also run five such steps in real time, with the processes as threads and a device that only takes time
    #[arg(long, requires = "ranks")]
    pub simulate: bool,
}

#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    /// Measure again the kernels that have a tuning result
    #[arg(long)]
    pub again: bool,
    /// Print every candidate with its time, not only the chosen one
    #[arg(long, short)]
    pub verbose: bool,
    /// Also write the chosen configurations to this .json file, for --tuning
    #[arg(long = "output", alias = "out", short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    // last, because its heading would apply to the flags after it
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Measure the loading of this folder's pictures at --size in batches of --batch-size; uses no adapter
    pub data: Option<PathBuf>,
    /// DATA, as earlier versions took it
    #[arg(long = "data", value_name = "DATA", hide = true, conflicts_with = "data")]
    pub data_flag: Option<PathBuf>,
    /// Steps to measure, after one that compiles the kernels; with DATA, batches to load
    #[arg(long, default_value_t = 5)]
    pub steps: u32,
    /// With DATA: memory for decoded pictures, in MiB; see `wgvae train`
    #[arg(long, value_name = "MIB")]
    pub cache: Option<u64>,
    /// With DATA: do not use the cache of decoded pictures on disk; see `wgvae train`
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub json: JsonArgs,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    // last, because its heading would apply to the flags after it
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    /// Steps to time, after the same number of warm-up steps
    #[arg(long, default_value_t = 3)]
    pub steps: u32,
    #[command(flatten)]
    pub json: JsonArgs,
    /// Write a trace of all dispatches and of the host to this .json file, for chrome://tracing or Perfetto
    #[arg(long = "output", visible_alias = "trace", short = 'o', value_name = "FILE")]
    pub trace: Option<PathBuf>,
    #[command(flatten)]
    pub force: ForceArgs,
    /// Time with the host's clock, one wait per dispatch, as on an adapter without timestamps
    #[arg(long)]
    pub host_clock: bool,
    #[command(flatten)]
    pub tuning: TuningArgs,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    // last, because its heading would apply to the flags after it
    #[command(flatten)]
    pub model: ModelArgs,
}
