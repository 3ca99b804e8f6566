//! Settings of a training that do not decide what is computed: its data, its run folder, its adapter.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use wgvae::checkpoint::Keep;
use wgvae::config::{Element, FlowSize, MicroBatch, TimeLimit};
use wgvae::data::{Rules, Splits};
use wgvae::error::Error;
use wgvae::train::Sharing;

use crate::cli::{AdapterArgs, PriorKind, Resident};

/// Settings that the processes of one training may have each for itself: its adapter, its memory, its path to the pictures.
pub const PER_PROCESS: [&str; 7] =
    ["adapter", "backend", "micro-batch", "cache", "no-cache", "resident", "data"];
/// Number of built-in landscapes.
const LANDSCAPES: usize = 2048;

/// Settings of a training beside [`wgvae::config::TrainConfig`], with their defaults. The flags describe them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RunOptions {
    pub data: Option<PathBuf>,
    pub splits: Splits,
    pub exclude: Vec<String>,
    pub include: Vec<String>,
    /// `None` in runs that are older than the second version of the rules
    pub folder_rules: Option<Rules>,
    pub cache: Option<u64>,
    pub no_cache: bool,
    pub resident: Resident,
    pub landscapes: usize,
    pub micro_batch: MicroBatch,
    pub init: Option<PathBuf>,
    pub name: Option<String>,
    pub runs: PathBuf,
    pub samples: PathBuf,
    pub checkpoint_every: Option<u64>,
    pub keep: Keep,
    pub max_time: Option<TimeLimit>,
    pub max_steps: Option<u64>,
    pub prior: PriorKind,
    pub flow: Option<FlowSize>,
    pub flow_steps: Option<u64>,
    pub share: Sharing,
    pub sync_precision: Element,
    pub ranks_per_adapter: u32,
    #[serde(flatten)]
    pub adapter: AdapterArgs,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            data: None,
            splits: Splits::default(),
            exclude: Vec::new(),
            include: Vec::new(),
            folder_rules: None,
            cache: None,
            no_cache: false,
            resident: Resident::default(),
            landscapes: LANDSCAPES,
            micro_batch: MicroBatch::default(),
            init: None,
            name: None,
            runs: "runs".into(),
            samples: "samples".into(),
            checkpoint_every: None,
            keep: Keep::default(),
            max_time: None,
            max_steps: None,
            prior: PriorKind::default(),
            flow: None,
            flow_steps: None,
            share: Sharing::default(),
            sync_precision: Element::default(),
            ranks_per_adapter: 1,
            adapter: AdapterArgs::default(),
        }
    }
}

impl RunOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// Naming the option that is out of its range.
    pub fn checked(self) -> Result<Self> {
        if self.checkpoint_every == Some(0) {
            return Err(Error::Usage("--checkpoint-every 0: must be at least 1".into()).into());
        }
        if self.max_steps == Some(0) {
            return Err(Error::Usage("--max-steps 0: must be at least 1".into()).into());
        }
        if self.ranks_per_adapter == 0 {
            return Err(Error::Usage("--ranks-per-adapter 0: must be at least 1".into()).into());
        }
        if self.flow_steps == Some(0) {
            return Err(Error::Usage("--flow-steps 0: must be at least 1".into()).into());
        }
        let has_flow = matches!(self.prior, PriorKind::Auto | PriorKind::Flow);
        if !has_flow && (self.flow.is_some() || self.flow_steps.is_some()) {
            return Err(
                Error::Usage("--flow and --flow-steps: have no effect without --prior flow".into()).into()
            );
        }
        if self.data.is_none() && !(2..=10_000_000).contains(&self.landscapes) {
            let count = self.landscapes;
            return Err(Error::Usage(format!("--landscapes {count}: must be between 2 and 10000000")).into());
        }
        Ok(self)
    }

    /// With paths that are valid in any working folder.
    pub fn resolved(&self) -> Self {
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Self { data: self.data.as_ref().map(whole), init: self.init.as_ref().map(whole), ..self.clone() }
    }
}
